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
  egress = import ../lib/egress;
  proxy = import ../lib/egress/proxy.nix;

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

  input = {
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
  problems =
    egress.problems input ++ (if isAllowlist then proxy.problems cfg.proxy.allowedDomains else [ ]);
  isSound = problems == [ ];

  filterFile = "/etc/clawdlets/proxy/filter";
  configFile = "/etc/clawdlets/proxy/tinyproxy.conf";
  files = {
    filter = proxy.filter { inherit (cfg.proxy) allowedDomains plainHttp; };
    config = proxy.config {
      inherit (cfg.proxy) port;
      inherit filterFile;
      bots = builtins.length input.botUids;
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
            message = "clawdlets.egress.${option} names ${builtins.toJSON (unknownIn cfg.${option})}; allowed are the names in clawdlets.bots: ${builtins.toJSON (builtins.attrNames bots)}.";
          })
          [
            "loopbackPorts"
            "tailnetAddresses"
          ]
      ++ [
        {
          assertion = !isAllowlist || cfg.proxy.allowedDomains != [ ];
          message = "clawdlets.egress.proxy.allowedDomains is empty, so with clawdlets.egress.mode \"proxy-allowlist\" bots could reach nothing. List the domains they need, e.g. [ \"api.example.com\" ], or choose another mode.";
        }
        {
          assertion =
            !isAllowlist
            || !(builtins.elem "127.0.0.53" cfg.proxy.resolvers)
            || config.services.resolved.enable;
          message = "clawdlets.egress.proxy.resolvers is systemd-resolved (127.0.0.53), which is off, so the proxy could not resolve names. Set services.resolved.enable, or give the addresses of your resolvers.";
        }
      ];

    networking.nftables = {
      enable = true;
      tables.${egress.tableName} = {
        inherit (egress) family;
        content = if isSound then egress.content input else "";
      };
    };

    users.users.${names.proxyUser} = lib.mkIf isAllowlist {
      isSystemUser = true;
      uid = names.proxyUid;
      group = names.proxyUser;
    };
    users.groups.${names.proxyUser} = lib.mkIf isAllowlist { gid = names.proxyUid; };

    environment.etc = lib.mkIf hasProxy {
      "clawdlets/proxy/filter".text = files.filter;
      "clawdlets/proxy/tinyproxy.conf".text = files.config;
    };

    systemd.services =
      builtins.listToAttrs (
        map (name: {
          name = names.botUnit name;
          value = behindRules // {
            requires = behindRules.requires ++ lib.optional isAllowlist "${names.proxyUnit}.service";
            after = behindRules.after ++ lib.optional isAllowlist "${names.proxyUnit}.service";
            serviceConfig = egress.units.bot { inherit (cfg) mode; };
            environment = builtins.mapAttrs (_: lib.mkDefault) (
              egress.units.botEnvironment {
                inherit (cfg) mode;
                proxyPort = cfg.proxy.port;
              }
            );
          };
        }) running
      )
      // (
        if hasProxy then
          {
            ${names.proxyUnit} = behindRules // {
              description = "Egress proxy of the bots";
              wantedBy = [ "multi-user.target" ];
              after = behindRules.after ++ [ "network-online.target" ];
              wants = [ "network-online.target" ];
              # The paths are fixed, so restart on changed content.
              restartTriggers = builtins.attrValues files;
              serviceConfig =
                egress.units.proxy {
                  inherit (cfg.proxy) resolvers;
                  clients = proxy.clients (builtins.length input.botUids);
                }
                // {
                  ExecStart = "${pkgs.tinyproxy}/bin/tinyproxy -d -c ${configFile}";
                  User = names.proxyUser;
                  Group = names.proxyUser;
                  Restart = "always";
                  RestartSec = 2;
                };
            };
          }
        else
          { }
      );
  };
}
