# Egress: one nftables table, the proxy, and unit settings as a second layer. The policy is in nix/lib/egress and
# nix/lib/egress/proxy.nix.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets.egress;
  names = import ../lib/names.nix;
  text = import ../lib/text.nix;
  egress = import ../lib/egress;
  proxy = import ../lib/egress/proxy.nix;
  json5 = import ../lib/json5.nix;

  inherit (config.clawdlets) bots;
  isAllowlist = cfg.mode == "proxy-allowlist";
  running = builtins.filter (name: bots.${name}.command != null) (builtins.attrNames bots);
  unknownIn = byBot: builtins.filter (name: !(bots ? ${name})) (builtins.attrNames byBot);

  # A user without a number remains a name here, and nix/lib/egress/input.nix reports it.
  uidOf =
    user:
    let
      known = if user == "root" then 0 else (config.users.users.${user} or { uid = null; }).uid;
    in
    if user == null || known == null then user else known;

  inherit (config.clawdlets) backups;
  repository = if backups.repository == null then null else (import ./backups/repository.nix).parse backups.repository;
  hasBackups = config.users.users ? ${names.backupUser};

  # { "<number>" = name; }: whose rules follow the number that each really has.
  users = builtins.listToAttrs (
    map
      (user: {
        name = toString config.users.users.${user}.uid;
        value = config.users.users.${user}.name;
      })
      (
        map names.botUser (builtins.attrNames bots)
        ++ lib.optional isAllowlist names.proxyUser
        ++ lib.optionals hasBackups [
          names.backupUser
          names.backupProxyUser
        ]
        ++ builtins.filter (user: builtins.isInt (uidOf user) && uidOf user != 0) (
          map (exception: exception.user) cfg.smtp.exceptions
        )
      )
  );

  input = {
    inherit users;
    backup =
      if !hasBackups then
        null
      else
        {
          uid = names.backupUid;
          proxyUid = names.backupProxyUid;
          proxyAddress = names.backupProxyAddress;
          proxyPort = names.backupProxyPort;
          inherit (repository) port;
          addresses =
            if backups.addresses == [ ] && repository.isAddress then [ repository.host ] else backups.addresses;
          resolves = !repository.isAddress;
        };
    inherit (cfg) mode;
    inherit (cfg.proxy) resolvers plainHttp;
    inherit (names) proxyUid;
    proxyPort = cfg.proxy.port;
    botUids = map (bot: bot.uid) (builtins.attrValues bots);
    forwardFrom = cfg.forward.allowedInterfaces;
    smtpExceptions = map (exception: {
      inherit (exception) destinations ports;
      uid = uidOf exception.user;
    }) cfg.smtp.exceptions;
    # Its own port, and what is named besides.
    loopbackPorts = builtins.listToAttrs (
      map (name: {
        name = toString bots.${name}.uid;
        value = [ bots.${name}.port ] ++ (cfg.loopbackPorts.${name} or [ ]);
      }) (builtins.attrNames bots)
    );
    tailnetAddresses = builtins.listToAttrs (
      map (name: {
        name = toString bots.${name}.uid;
        value = cfg.tailnetAddresses.${name};
      }) (builtins.filter (name: bots ? ${name}) (builtins.attrNames cfg.tailnetAddresses))
    );
  };

  # { <bot> = { domains; unknown; }; } of the bots that run OpenClaw.
  derived =
    let
      withOpenclaw = builtins.filter (name: bots.${name}.openclaw != null) (builtins.attrNames bots);
      of = name: bots.${name}.openclaw.config;
    in
    if isAllowlist && cfg.proxy.derived then
      lib.genAttrs withOpenclaw (
        name: egress.derived (json5.parse (toString (of name)) (builtins.readFile (of name)))
      )
    else
      { };
  # Of one bot: what it needs itself, and what is allowed to all.
  domainsOf = name: text.unique (cfg.proxy.allowedDomains ++ (derived.${name}.domains or [ ]));
  notKnown = builtins.concatMap (
    name: map (need: "${need.kind} ${need.name} of ${name}") derived.${name}.unknown
  ) (builtins.attrNames derived);

  problems =
    egress.problems input ++ (if isAllowlist then proxy.problems cfg.proxy.allowedDomains else [ ]);
  isSound = problems == [ ];

  # Of one bot's proxy, below /etc.
  fileOf = name: file: "clawdlets/proxy/${name}/${file}";
  filesOf = name: {
    ${fileOf name "filter"} = proxy.filter {
      allowedDomains = domainsOf name;
      inherit (cfg.proxy) plainHttp;
    };
    ${fileOf name "tinyproxy.conf"} = proxy.config {
      inherit (cfg.proxy) port;
      address = names.proxyAddress bots.${name}.uid;
      filterFile = "/etc/${fileOf name "filter"}";
    };
  };
  hasProxy = isAllowlist && isSound;

  # Fail closed: without the rules, bots do not start, and they stop when the rules are unloaded (Requires=).
  behindRules = {
    requires = [ "nftables.service" ];
    after = [ "nftables.service" ];
  };
in
{
  options.clawdlets.egress = import ./egress/options.nix { inherit lib egress; };

  config = {
    assertions =
      map (message: {
        assertion = false;
        inherit message;
      }) problems
      ++
        map
          (option: {
            assertion = unknownIn cfg.${option} == [ ];
            message = "clawdlets.egress.${option} names ${
              builtins.toJSON (unknownIn cfg.${option})
            }; allowed are the names in clawdlets.bots: ${builtins.toJSON (builtins.attrNames bots)}.";
          })
          [
            "loopbackPorts"
            "tailnetAddresses"
          ]
      ++ [
        {
          assertion = !isAllowlist || cfg.proxy.allowedDomains != [ ] || cfg.proxy.derived;
          message = "clawdlets.egress.proxy.allowedDomains is empty, so with clawdlets.egress.mode \"proxy-allowlist\" bots could reach nothing. List the domains they need, e.g. [ \"api.example.com\" ], set clawdlets.egress.proxy.derived, or choose another mode.";
        }
        {
          assertion =
            !isAllowlist
            || !(builtins.elem "127.0.0.53" cfg.proxy.resolvers)
            || config.services.resolved.enable;
          message = "clawdlets.egress.proxy.resolvers is systemd-resolved (127.0.0.53), which is off, so the proxy could not resolve names. Set services.resolved.enable, or give the addresses of your resolvers.";
        }
      ];

    warnings =
      lib.optional (notKnown != [ ])
        "clawdlets.egress.proxy.derived: the domains of these are not known: ${builtins.concatStringsSep ", " notKnown}. List them in clawdlets.egress.proxy.allowedDomains.";

    networking.nftables = {
      enable = true;
      tables.${egress.tableName} = {
        inherit (egress) family;
        content = if isSound then egress.content input else "";
      };
    };

    # Before a unit is started or reloaded, and after the users exist.
    system.activationScripts.clawdletsEgressUsers = {
      deps = [ "users" ];
      text = if isSound then egress.users.script users else "";
    };

    users.users.${names.proxyUser} = lib.mkIf isAllowlist {
      isSystemUser = true;
      uid = names.proxyUid;
      group = names.proxyUser;
    };
    users.groups.${names.proxyUser} = lib.mkIf isAllowlist { gid = names.proxyUid; };

    environment.etc = lib.mkIf hasProxy (
      builtins.mapAttrs (_: content: { text = content; }) (
        builtins.foldl' (all: name: all // filesOf name) { } running
      )
    );

    systemd.services =
      builtins.listToAttrs (
        map (name: {
          name = names.botUnit name;
          value = behindRules // {
            requires = behindRules.requires ++ lib.optional isAllowlist "${names.proxyUnit name}.service";
            after = behindRules.after ++ lib.optional isAllowlist "${names.proxyUnit name}.service";
            serviceConfig = egress.units.bot { inherit (cfg) mode; };
            environment = builtins.mapAttrs (_: lib.mkDefault) (
              egress.units.botEnvironment {
                inherit (cfg) mode;
                proxyPort = cfg.proxy.port;
                proxyAddress = names.proxyAddress bots.${name}.uid;
              }
            );
          };
        }) running
      )
      // (
        if hasProxy then
          builtins.listToAttrs (
            map (name: {
              name = names.proxyUnit name;
              value = behindRules // {
                description = "Egress proxy of the bot ${name}";
                wantedBy = [ "multi-user.target" ];
                after = behindRules.after ++ [ "network-online.target" ];
                wants = [ "network-online.target" ];
                # The paths are fixed, so restart on changed content.
                restartTriggers = builtins.attrValues (filesOf name);
                serviceConfig = egress.units.proxy { inherit (cfg.proxy) resolvers; } // {
                  ExecStart = "${pkgs.tinyproxy}/bin/tinyproxy -d -c /etc/${fileOf name "tinyproxy.conf"}";
                  User = names.proxyUser;
                  Group = names.proxyUser;
                  Restart = "always";
                  RestartSec = 2;
                };
              };
            }) running
          )
        else
          { }
      );
  };
}
