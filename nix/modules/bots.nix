# Bots: each has a user, a state folder and a sandboxed unit. The sandbox is in nix/lib/bot-unit.nix.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  text = import ../lib/text.nix;
  unit = import ../lib/bot-unit.nix;
  openclaw = import ../lib/openclaw.nix;
  variables = import ../lib/bot-variables.nix;

  all = builtins.attrNames cfg.bots;
  running = builtins.filter (name: cfg.bots.${name}.command != null) all;
  each = list: make: builtins.listToAttrs (map make list);
  uids = map (name: cfg.bots.${name}.uid) all;
  ports = map (name: cfg.bots.${name}.port) all;
  template = name: "clawdbot-${name}.env";

  commandOf =
    { command, package, ... }:
    if package != null && !(text.hasPrefix "/" command) then "${package}/bin/${command}" else command;

  withOpenclaw = builtins.filter (name: cfg.bots.${name}.openclaw != null) all;
  # { VARIABLE = "secret"; }: what openclaw.json refers to, and what is named in Nix, which wins.
  derived = name: variables.ofFolder name cfg.bots.${name}.openclaw;
  envSecretsOf =
    name:
    (if cfg.bots.${name}.openclaw == null then { } else derived name) // cfg.bots.${name}.envSecrets;

  # Into store paths of their own, so that a bot restarts only when its own files change.
  openclawOf =
    name:
    let
      inherit (cfg.bots.${name}) openclaw;
      config = builtins.path {
        name = "openclaw.json";
        path = openclaw.config;
      };
    in
    {
      config =
        if runsOpenclaw name && (openclaw.check || openclaw.plugins != [ ]) then
          checked name config
        else
          config;
      seed =
        if openclaw.workspace == null then
          [ ]
        else
          [ "${seedWorkspace name openclaw.workspace}/bin/clawdlets-seed-${name}" ];
    };
  # Not another command, of which there is nothing to ask.
  runsOpenclaw =
    name:
    let
      inherit (cfg.bots.${name}) command openclaw package;
    in
    openclaw != null && package != null && command != null && text.hasPrefix "openclaw " command;

  # Version of the package that says it, if `bot lint` on an operator's machine knows another one's options.
  otherVersion =
    name:
    let
      inherit (cfg.bots.${name}) package;
      inherit (openclaw) schemaVersion;
      runs = package.version or schemaVersion;
    in
    if
      !(runsOpenclaw name) || cfg.bots.${name}.openclaw.ownSchema || runs == schemaVersion
    then
      null
    else
      runs;

  # The same file, once the bot's own OpenClaw has found it valid: otherwise the host's system is not built.
  checked =
    name: config:
    pkgs.runCommand "openclaw.json" {
      CONFIG = config;
      OPENCLAW = "${cfg.bots.${name}.package}/bin/openclaw";
      BOT = name;
      CHECK = if cfg.bots.${name}.openclaw.check then "1" else "0";
      JQ = "${pkgs.jq}/bin/jq";
      PLUGINS = builtins.toJSON (map toString cfg.bots.${name}.openclaw.plugins);
      REFERENCES = builtins.concatStringsSep " " (builtins.attrNames (derived name));
    } "source ${../host/check-openclaw.sh}";
  seedWorkspace =
    name: workspace:
    import ../lib/wrapper.nix { inherit lib pkgs; } {
      name = "clawdlets-seed-${name}";
      script = ../host/seed-workspace.sh;
      programs = [ pkgs.coreutils ];
      environment = {
        WORKSPACE = names.botWorkspace name;
        DOCUMENTS = builtins.path {
          name = "workspace";
          path = workspace;
          filter = path: type: type == "regular" && builtins.match ".*[.]md" path != null;
        };
      };
    };
  takenSecrets = variables.takenIn {
    bots = lib.genAttrs withOpenclaw (name: cfg.bots.${name}.openclaw);
    others = import ../lib/plan.nix {
      tailnet = "tailscale";
      bots = builtins.filter (name: cfg.bots.${name}.openclaw == null) all;
    };
  };
  # For admin, by sudo: the bot's own OpenClaw in the sandbox of the bot's unit, whatever other modules add to that.
  ask =
    name:
    let
      inherit (config.systemd.services.${names.botUnit name}) environment serviceConfig;
      file =
        kind: lines:
        toString (pkgs.writeText "clawdlets-openclaw-${name}-${kind}" (text.lines (lines ++ [ "" ])));
    in
    import ../lib/wrapper.nix { inherit lib pkgs; } {
      name = "clawdlets-openclaw-${name}";
      script = ../host/ask-openclaw.sh;
      programs = [
        pkgs.coreutils
        pkgs.systemd
      ];
      environment = {
        BOT = name;
        OPENCLAW = "${cfg.bots.${name}.package}/bin/openclaw";
        PORT = toString cfg.bots.${name}.port;
        PROPERTIES = file "properties" (unit.propertiesOf serviceConfig);
        VARIABLES = file "variables" (
          lib.mapAttrsToList (variable: value: "${variable}=${toString value}") environment
        );
      };
    };

  environmentOf =
    name:
    if cfg.bots.${name}.openclaw == null then
      { }
    else
      openclaw.environment {
        inherit name;
        inherit (openclawOf name) config;
      };

  # For nix/lib/bot-unit.nix.
  settingsOf =
    name:
    let
      bot = cfg.bots.${name};
    in
    {
      inherit name;
      inherit (bot) nodeExecMem secrets;
      inherit (bot.resources)
        memoryMax
        cpuQuota
        tasksMax
        ioWeight
        ;
      command = commandOf bot;
      before = if bot.openclaw == null then [ ] else (openclawOf name).seed;
      environmentFiles = lib.optional (envSecretsOf name != { }) "/run/secrets/rendered/${template name}";
    };

  service = name: {
    name = names.botUnit name;
    value = {
      description = "Bot ${name}";
      wantedBy = [ "multi-user.target" ];
      after = unit.unitConfig.After;
      wants = unit.unitConfig.Wants;
      partOf = unit.unitConfig.PartOf;
      inherit (cfg.bots.${name}) path;
      environment = unit.environment {
        inherit name;
        inherit (cfg.bots.${name}) nodeExecMem;
        # NixOS makes PATH of `path`; a second value ends in "conflicting definition values", which names none of our options.
        environment = builtins.removeAttrs cfg.bots.${name}.environment [ "PATH" ] // environmentOf name;
      };
      serviceConfig = unit.serviceConfig (settingsOf name);
    };
  };
in
{
  options.clawdlets.bots = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule (import ./bots/options.nix { inherit lib names pkgs; })
    );
    default = { };
    example = lib.literalExpression ''{ maren = { package = pkgs.clawdbot-gateway; command = "clawdbot gateway"; }; }'';
    description = "The bots of this host, by name: at most 27 characters: a lowercase letter, then a-z, 0-9, \"_\" and \"-\".";
  };

  options.clawdlets.openclaw.cache = lib.mkOption {
    type = lib.types.bool;
    default = false;
    example = true;
    description = ''
      Lets the host fetch OpenClaw from cache.garnix.io, the binary cache of nix-openclaw, in place of building it. Anyone who has that
      cache's key can then decide what bots run.
    '';
  };

  config = {
    nix.settings = lib.mkIf cfg.openclaw.cache {
      extra-substituters = [ "https://cache.garnix.io" ];
      extra-trusted-public-keys = [
        "cache.garnix.io:CTFPyKSLcx5RMJKfLo5EEPUObbA78b0YQ2DTCJXqr9g="
      ];
    };

    assertions = [
      {
        assertion = builtins.all names.isBotName all;
        message = "clawdlets.bots: ${
          builtins.concatStringsSep ", " (builtins.filter (name: !(names.isBotName name)) all)
        }: not a bot name; allowed: ${names.botNameAllowed}.";
      }
      {
        assertion = text.unique uids == uids;
        message = "clawdlets.bots: two of ${builtins.concatStringsSep ", " all} have the same uid. Set clawdlets.bots.<name>.uid of the newer one, e.g. to 30900.";
      }
    ]
    ++ [
      {
        assertion = text.unique ports == ports;
        message = "clawdlets.bots: two of ${builtins.concatStringsSep ", " all} have the same port. Set clawdlets.bots.<name>.port of the newer one, e.g. to 18789.";
      }
    ]
    ++ map (name: {
      assertion = !(cfg.bots.${name}.environment ? PATH);
      message = "clawdlets.bots.${name}.environment sets PATH. List the packages in clawdlets.bots.${name}.path instead.";
    }) all
    ++ map (name: {
      assertion = cfg.bots.${name}.package != null || text.hasPrefix "/" cfg.bots.${name}.command;
      message = ''clawdlets.bots.${name}.command is "${cfg.bots.${name}.command}"; allowed: an absolute path, or a program of clawdlets.bots.${name}.package, which is not set.'';
    }) running
    ++ map (
      name:
      let
        twice = builtins.attrNames (
          builtins.intersectAttrs cfg.bots.${name}.environment (envSecretsOf name)
        );
      in
      {
        assertion = twice == [ ];
        message = "clawdlets.bots.${name}: ${builtins.concatStringsSep ", " twice} is in both environment and envSecrets. Remove it from one.";
      }
    ) all
    ++ builtins.concatMap (
      name:
      let
        given = cfg.bots.${name}.environment // envSecretsOf name;
        set = builtins.attrNames (builtins.intersectAttrs (environmentOf name) given);
        ours = builtins.filter (variable: derived name ? ${variable}) variables.reserved;
        mine = builtins.attrValues (derived name);
        taken = builtins.filter (secret: builtins.elem secret mine) takenSecrets;
        inherit (cfg.bots.${name}.openclaw) secrets;
        made = builtins.filter (variable: secrets ? ${variable}) variables.generated;
      in
      [
        {
          assertion = set == [ ] && ours == [ ];
          message = "clawdlets.bots.${name}: ${
            builtins.concatStringsSep ", " (text.unique (set ++ ours))
          } is set by the bot's unit. Remove it from bots/${name}/openclaw.json, environment and envSecrets.";
        }
        {
          assertion = taken == [ ];
          message = "clawdlets.bots.${name}: ${builtins.concatStringsSep ", " taken} would be two secrets. Choose another name for the variable in bots/${name}/openclaw.json.";
        }
        {
          assertion = made == [ ];
          message = "clawdlets.bots.${name}: ${builtins.concatStringsSep ", " made} is made for each bot, and cannot be shared. Remove it from bots/${name}/secrets.json.";
        }
      ]
    ) withOpenclaw;

    warnings = map (
      name:
      "clawdlets.bots.${name} has no command, so it has a user, a folder and secrets but does not run. Set clawdlets.bots.${name}.command (hosts/${cfg.hostName}.nix)."
    ) (builtins.filter (name: !(builtins.elem name running)) all)
    ++ map (
      name:
      "clawdlets.bots.${name} runs OpenClaw ${otherVersion name}, and clawdlets bot lint checks bots/${name}/openclaw.json against ${openclaw.schemaVersion}. This build asks the package, which counts. For a lint of its version: openclaw config schema >bots/openclaw.schema.json"
    ) (builtins.filter (name: otherVersion name != null) withOpenclaw);

    users.users = each all (name: {
      name = names.botUser name;
      value = {
        isSystemUser = true;
        inherit (cfg.bots.${name}) uid;
        group = names.botUser name;
        home = names.botStateDir name;
      };
    });
    users.groups = each all (name: {
      name = names.botUser name;
      value.gid = cfg.bots.${name}.uid;
    });

    systemd = {
      tmpfiles.rules = [
        "d ${names.stateDirBase} 0755 root root - -"
      ]
      ++ map (
        name: "d ${names.botStateDir name} 0700 ${names.botUser name} ${names.botUser name} - -"
      ) all;
      services = each running service;
    };

    environment.systemPackages = map ask (builtins.filter runsOpenclaw all);

    sops.templates = each (builtins.filter (name: envSecretsOf name != { }) all) (name: {
      name = template name;
      value = {
        owner = "root";
        group = "root";
        mode = "0400";
        content = text.lines (
          lib.mapAttrsToList (variable: secret: "${variable}=${config.sops.placeholder.${secret}}") (
            envSecretsOf name
          )
          ++ [ "" ]
        );
      };
    });
  };
}
