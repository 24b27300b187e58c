# The hosts of a project, from the stack files that the operator's side writes: stacks/Pulumi.<host>.yaml.
let
  readYaml = import ./yaml.nix;
  text = import ./text.nix;
  # lib.mkDefault; this file does without lib.
  byDefault = content: {
    _type = "override";
    priority = 1000;
    inherit content;
  };
  allowedIn =
    list: value: where: key:
    if builtins.elem value list then
      value
    else
      throw "${where}: clawdlets:${key} is ${builtins.toJSON value}; allowed: ${builtins.concatStringsSep " or " (map builtins.toJSON list)}.";
in
rec {
  # { hosts; } of a folder: names, sorted.
  namesIn =
    folder:
    let
      nameOf = file: builtins.match "Pulumi\\.([a-z]([a-z0-9-]{0,61}[a-z0-9])?)\\.yaml" file;
      files = builtins.filter (file: nameOf file != null) (builtins.attrNames (builtins.readDir folder));
    in
    if builtins.pathExists folder then map (file: builtins.head (nameOf file)) files else [ ];

  twiceIn =
    names:
    builtins.filter (name: builtins.length (builtins.filter (each: each == name) names) > 1) (
      text.unique names
    );

  # The settings of a stack file that the host needs. All others concern the server and the installation.
  read =
    where: content:
    let
      document = readYaml where content;
      config =
        if builtins.isAttrs document && builtins.isAttrs (document.config or null) then
          document.config
        else
          { };
      get = key: fallback: config."clawdlets:${key}" or fallback;
      # The engine writes a list set with `--path` as JSON text.
      listAt =
        key:
        let
          value = get key [ ];
          parsed =
            if builtins.isString value && text.hasPrefix "[" value then builtins.fromJSON value else value;
        in
        if builtins.isList parsed && builtins.all builtins.isString parsed then
          parsed
        else
          throw "${where}: clawdlets:${key} is not a list of strings.";
      # A map set with `--path` is JSON text, too.
      mapAt =
        key:
        let
          value = get key { };
          parsed =
            if builtins.isString value && text.hasPrefix "{" value then builtins.fromJSON value else value;
        in
        if builtins.isAttrs parsed then parsed else { };
      # The installation checks that disk before it is wiped (core/host/install/disk.ts), and this setting decides which one is wiped.
      install = mapAt "install";
      rebuild = mapAt "rebuild";
      backups = mapAt "backups";
    in
    {
      # Hetzner's ARM types are the CAX ones, as core/project/settings/server/architecture.ts has it.
      system =
        if text.hasPrefix "cax" (toString (get "serverType" "")) then "aarch64-linux" else "x86_64-linux";
      inherit ({ disk = null; } // install) disk;
      # Its age limit is for the operator's side alone.
      backups = builtins.removeAttrs backups [ "maxAgeHours" ];
      # Of binary caches, for the installation and for what the host builds.
      caches = builtins.intersectAttrs {
        substituters = null;
        trustedPublicKeys = null;
      } install;
      adminSshKeys = listAt "adminSshKeys";
      bots = listAt "bots";
      secrets = listAt "secrets";
      systemKeys = listAt "systemKeys";
      flakeHost = get "flakeHost" null;
      rebuild = {
        # `pulumi config set --path` writes booleans, and text if it is told to.
        enabled = builtins.elem (rebuild.enabled or true) [
          true
          "true"
        ];
        inherit
          (
            {
              repository = null;
              branch = "main";
            }
            // rebuild
          )
          repository
          branch
          ;
      };
      sshExposure = allowedIn [
        "tailnet"
        "public"
        "bootstrap"
      ] (get "sshExposure" "tailnet") where "sshExposure";
      tailnet = allowedIn [
        "tailscale"
        "headscale"
        "none"
      ] (get "tailnet" "tailscale") where "tailnet";
      tailnetLoginServer = get "tailnetLoginServer" null;
      tailnetTags = listAt "tailnetTags";
    };

  # The same as a NixOS module.
  moduleOf = host: facts: {
    nix.settings =
      (if facts.caches ? substituters then { inherit (facts.caches) substituters; } else { })
      // (
        if facts.caches ? trustedPublicKeys then
          { trusted-public-keys = facts.caches.trustedPublicKeys; }
        else
          { }
      );
    clawdlets = (if facts.disk == null then { } else { diskDevice = facts.disk; }) // {
      hostName = host;
      inherit (facts) adminSshKeys backups;
      # Without a tailnet, the public address is the only way in, and Hetzner's firewall closes it. If the host closed it as well, a
      # window that is kept open on purpose would have no effect.
      publicSsh.enable = facts.sshExposure != "tailnet" || facts.tailnet == "none";
      # Only what the stack file says: hosts/<host>.nix may say the rest.
      tailnet = {
        # The client is Tailscale's, whatever control server it logs in to.
        mode = if facts.tailnet == "headscale" then "tailscale" else facts.tailnet;
        tailscale =
          (
            if facts.tailnetLoginServer == null then { } else { loginServer = facts.tailnetLoginServer; }
          )
          // (if facts.tailnetTags == [ ] then { } else { tags = facts.tailnetTags; });
      };
      secrets.names = facts.secrets;
      # hosts/<host>.nix wins.
      operator.rebuild =
        if facts.rebuild.enabled && (facts.rebuild.repository != null || facts.systemKeys != [ ]) then
          builtins.mapAttrs (_: byDefault) {
            enable = true;
            inherit (facts) systemKeys;
            flakeBase = facts.rebuild.repository;
            ref = facts.rebuild.branch;
            flakeHost = if facts.flakeHost == null then host else facts.flakeHost;
          }
        else
          { };
      bots = builtins.listToAttrs (
        map (name: {
          inherit name;
          value = { };
        }) facts.bots
      );
    };
  };

  # { <nixosConfigurations attribute> = { host; system; bots; module; }; }
  hostsIn =
    folder:
    let
      hosts = map (
        host:
        let
          file = "Pulumi.${host}.yaml";
          facts = read "stacks/${file}" (builtins.readFile (folder + "/${file}"));
        in
        {
          name = if facts.flakeHost == null then host else facts.flakeHost;
          value = {
            inherit host;
            inherit (facts) bots system;
            module = moduleOf host facts;
          };
        }
      ) (namesIn folder);
      twice = twiceIn (map ({ name, ... }: name) hosts);
    in
    if twice == [ ] then
      builtins.listToAttrs hosts
    else
      throw "stacks: two hosts have the same clawdlets:flakeHost, ${builtins.concatStringsSep ", " twice}. Make them different, or omit the setting.";
}
