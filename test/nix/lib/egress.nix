let
  egress = import ../../../nix/lib/egress;
  inherit (egress) problems units;
  has = text: needle: builtins.length (builtins.split needle text) > 1;
  contents = map (
    mode:
    egress.content {
      inherit mode;
      botUids = [ 31007 ];
    }
  ) egress.modes;
  throws = input: !(builtins.tryEval (egress.content input)).success;
in
{
  "the modes are upstream's" = {
    expr = egress.modes;
    expected = [
      "smtp-only"
      "proxy-allowlist"
      "none"
    ];
  };
  "every mode closes the metadata service, to the host and to containers" = {
    expr = map (
      content:
      has content "ip daddr [{] 169\\.254\\.169\\.254 [}] jump metadata\n"
      && has content "ip daddr [{] 169\\.254\\.169\\.254 [}] jump metadata_forwarded\n"
    ) contents;
    expected = [
      true
      true
      true
    ];
  };
  "nothing is accepted, so that no other table is overruled" = {
    expr = map (content: has content "[^y] accept") contents;
    expected = [
      false
      false
      false
    ];
  };
  "a ruleset replaces its table in one transaction" = {
    expr =
      builtins.match
        "table inet clawdlets-egress\ndelete table inet clawdlets-egress\ntable inet clawdlets-egress [{]\n.*"
        (egress.ruleset { }) != null;
    expected = true;
  };
  "without bots the set of their users is left out, as nft takes no empty one" = {
    expr = has (egress.content { mode = "proxy-allowlist"; }) "goto bots";
    expected = false;
  };
  "good input has no problems" = {
    expr = problems {
      mode = "proxy-allowlist";
      botUids = [ 31007 ];
      proxyPort = 65535;
      resolvers = [
        "10.0.0.2"
        "2001:db8::53"
      ];
      loopbackPorts."31007" = [ 1 ];
      forwardFrom = [
        "docker0"
        "br-*"
        "enp1s0.7"
      ];
      smtpExceptions = [
        { uid = 0; }
        {
          destinations = [
            "203.0.113.0/24"
            "2001:db8::/32"
            "::1"
          ];
          ports = [ 587 ];
        }
      ];
    };
    expected = [ ];
  };
  "each bad value is named, with what is allowed" = {
    expr = problems {
      mode = "open";
      botUids = [
        0
        (import ../../../nix/lib/names.nix).proxyUid
        "maren"
      ];
      proxyPort = 0;
      resolvers = [
        "localhost"
        "1.2.3.256"
      ];
      loopbackPorts."31007" = [ 65536 ];
      forwardFrom = [
        "docker0; accept"
        "longer-than-fifteen"
      ];
      smtpExceptions = [
        { }
        {
          uid = "postfix";
          ports = [ 26 ];
        }
        {
          destinations = [
            "mail.example.com"
            "1.2.3.4/33"
            "::/129"
            "} accept"
          ];
          ports = [ ];
        }
      ];
    };
    expected = [
      "clawdlets.egress.mode: \"open\" is not allowed. Give \"smtp-only\", \"proxy-allowlist\" or \"none\"."
      "clawdlets.egress.proxy.port: 0 is not allowed. Give a port, 1 to 65535."
      "clawdlets.egress.proxy.resolvers: \"localhost\" is not allowed. Give IPv4 or IPv6 addresses."
      "clawdlets.egress.proxy.resolvers: \"1.2.3.256\" is not allowed. Give IPv4 or IPv6 addresses."
      "clawdlets.bots.*.uid: \"maren\" is not allowed. Give a number from 0 to 4294967294."
      "clawdlets.bots.*.uid: 0 is not allowed. Give any number except root's, the proxy's and those of backups, which have rules of their own."
      "clawdlets.bots.*.uid: 30999 is not allowed. Give any number except root's, the proxy's and those of backups, which have rules of their own."
      "clawdlets.egress.loopbackPorts: 65536 is not allowed. Give ports, 1 to 65535."
      "clawdlets.egress.forward.allowedInterfaces: \"docker0; accept\" is not allowed. Give names of interfaces, at most 15 characters, e.g. \"docker0\" or \"br-*\"."
      "clawdlets.egress.forward.allowedInterfaces: \"longer-than-fifteen\" is not allowed. Give names of interfaces, at most 15 characters, e.g. \"docker0\" or \"br-*\"."
      "clawdlets.egress.smtp.exceptions: an exception without user and destinations opens SMTP to everyone. Give at least one of them, or set clawdlets.egress.mode to \"none\"."
      "clawdlets.egress.smtp.exceptions.*.ports: 26 is not allowed. Give some of 25, 465, 587 and 2525, the only ports that are closed."
      "clawdlets.egress.smtp.exceptions.*.user: \"postfix\" is not allowed. Give a user with a fixed number (users.users.<name>.uid)."
      "clawdlets.egress.smtp.exceptions.*.destinations: \"mail.example.com\" is not allowed. Give IPv4 or IPv6 addresses or networks, e.g. \"203.0.113.25\" or \"2001:db8::/64\"."
      "clawdlets.egress.smtp.exceptions.*.destinations: \"1.2.3.4/33\" is not allowed. Give IPv4 or IPv6 addresses or networks, e.g. \"203.0.113.25\" or \"2001:db8::/64\"."
      "clawdlets.egress.smtp.exceptions.*.destinations: \"::/129\" is not allowed. Give IPv4 or IPv6 addresses or networks, e.g. \"203.0.113.25\" or \"2001:db8::/64\"."
      "clawdlets.egress.smtp.exceptions.*.destinations: \"} accept\" is not allowed. Give IPv4 or IPv6 addresses or networks, e.g. \"203.0.113.25\" or \"2001:db8::/64\"."
      "clawdlets.egress.smtp.exceptions.*.ports: an empty list opens nothing. Give some of 25, 465, 587 and 2525, or omit it for all four."
    ];
  };
  "bad input makes no rules, nor does a misspelt name" = {
    expr = map throws [
      { mode = "open"; }
      { botUid = [ 31007 ]; }
    ];
    expected = [
      true
      true
    ];
  };
  "a bot's unit reaches loopback only, and none that would ask on its behalf" = {
    expr =
      let
        unit = units.bot { mode = "proxy-allowlist"; };
      in
      {
        inherit (unit) RestrictNetworkInterfaces;
        keepsReset = !(unit ? IPAddressDeny);
        hidden = builtins.all (path: builtins.elem "-${path}" unit.InaccessiblePaths) [
          "/run/nscd"
          "/run/systemd/resolve"
          "/run/dbus"
          "/nix/var/nix/daemon-socket"
        ];
      };
    expected = {
      RestrictNetworkInterfaces = "lo";
      keepsReset = true;
      hidden = true;
    };
  };
  "in the other modes a bot's unit is kept from the metadata service" = {
    expr = map (mode: builtins.elem "169.254.169.254" (units.bot { inherit mode; }).IPAddressDeny) [
      "smtp-only"
      "none"
    ];
    expected = [
      true
      true
    ];
  };
  "a bot is told of the proxy where there is one" = {
    expr = map (
      mode:
      units.botEnvironment {
        inherit mode;
        proxyPort = 8888;
      }
    ) egress.modes;
    expected = [
      { }
      {
        HTTP_PROXY = "http://127.0.0.1:8888";
        HTTPS_PROXY = "http://127.0.0.1:8888";
        NO_PROXY = "127.0.0.1,localhost";
        http_proxy = "http://127.0.0.1:8888";
        https_proxy = "http://127.0.0.1:8888";
        no_proxy = "127.0.0.1,localhost";
        NODE_USE_ENV_PROXY = "1";
        OPENCLAW_PROXY_URL = "http://127.0.0.1:8888";
      }
      { }
    ];
  };
}
