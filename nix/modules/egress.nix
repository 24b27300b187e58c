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
  json5 = import ../lib/json5.nix;

  inherit (config.clawdlets) bots;
  isAllowlist = cfg.mode == "proxy-allowlist";
  running = builtins.filter (name: bots.${name}.command != null) (builtins.attrNames bots);
  unknownBots = builtins.filter (name: !(bots ? ${name})) (builtins.attrNames cfg.loopbackPorts);

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
  allowedDomains =
    cfg.proxy.allowedDomains
    ++ builtins.concatMap (bot: bot.domains) (builtins.attrValues derived);
  notKnown = builtins.concatMap (
    name: map (need: "${need.kind} ${need.name} of ${name}") derived.${name}.unknown
  ) (builtins.attrNames derived);

  problems =
    egress.problems input ++ (if isAllowlist then proxy.problems allowedDomains else [ ]);
  isSound = problems == [ ];

  filterFile = "/etc/clawdlets/proxy/filter";
  configFile = "/etc/clawdlets/proxy/tinyproxy.conf";
  files = {
    filter = proxy.filter {
      inherit allowedDomains;
      inherit (cfg.proxy) plainHttp;
    };
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
      ++ [
        {
          assertion = !isAllowlist || allowedDomains != [ ];
          message = "clawdlets.egress.proxy.allowedDomains is empty, so with clawdlets.egress.mode \"proxy-allowlist\" bots could reach nothing. List the domains they need, e.g. [ \"api.example.com\" ], set clawdlets.egress.proxy.derived, or choose another mode.";
        }
        {
          assertion = unknownBots == [ ];
          message = "clawdlets.egress.loopbackPorts names ${builtins.toJSON unknownBots}; allowed are the names in clawdlets.bots: ${builtins.toJSON (builtins.attrNames bots)}.";
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
