# The egress options. mode, port and allowedDomains have upstream's names and syntax.
{ lib, egress }:
let
  option =
    type: default: example: description:
    lib.mkOption {
      inherit
        type
        default
        example
        description
        ;
    };
  inherit (lib) types;
in
{
  mode = option (types.enum egress.modes) "smtp-only" "proxy-allowlist" ''
    What may leave the host.

    - smtp-only: everything but mail. TCP 25, 465, 587 and 2525 are refused to every user and container.
    - proxy-allowlist: as smtp-only; each bot reaches its own proxy and nothing else, and that reaches allowedDomains. Containers
      reach nothing (forward.allowedInterfaces).
    - none: everything.

    In each of them only root reaches the metadata service, and bots reach no tailnet address (tailnetAddresses).
  '';

  proxy = {
    port = option types.port 3128 8888 "The port of the bots' proxies, each on a loopback address of its own.";

    allowedDomains = option (types.listOf types.str) [ ] [ "api.example.com" ".discord.gg" ] ''
      Domains that bots may connect to in proxy-allowlist, by CONNECT to port 443. "example.com" is only that name, ".example.com"
      includes its subdomains. A name that resolves to a private, tailnet, link-local or loopback address is still refused. The
      operator of an allowed site can forward what a bot sends there.
    '';

    derived = option types.bool false true ''
      Adds the domains that the channels, model providers, searches and skills in the bots' openclaw.json need. `clawdlets egress
      explain` lists them with their reasons. Anyone who may change such a file can then add domains.
    '';

    plainHttp = option types.bool false true ''
      Lets the proxy also fetch http:// from allowedDomains, on port 80: unencrypted, so anyone on the path can read and change it.
    '';

    resolvers = option (types.listOf types.str) [ "127.0.0.53" ] [ "10.0.0.2" ] ''
      Addresses of the DNS servers that the proxy may ask, on port 53. The default is systemd-resolved.
    '';
  };

  loopbackPorts = option (types.attrsOf (types.listOf types.port)) { } { maren = [ 18789 ]; } ''
    In proxy-allowlist: loopback ports that each bot may connect to in addition to the proxy's and its own
    (clawdlets.bots.<name>.port), by bot name. Other bots may not use them.
  '';

  tailnetAddresses =
    option (types.attrsOf (types.listOf types.str)) { } { maren = [ "100.64.0.7" ]; }
      ''
        In smtp-only and none: tailnet addresses or networks that each bot may connect to, by bot name, on every port. The tailnet's access
        rules still apply. Without an entry a bot reaches no tailnet address, nor 100.100.100.100.
      '';

  smtp.exceptions =
    option
      (types.listOf (
        types.submodule {
          options = {
            user =
              option (types.nullOr types.str) null "postfix"
                "The user that may send. It needs a fixed number (users.users.<name>.uid). null: everyone, including containers.";
            destinations =
              option (types.listOf types.str) [ ] [ "203.0.113.25" ]
                "Destination addresses or networks. Empty: all.";
            ports =
              option (types.listOf types.port) [ 25 465 587 2525 ] [ 587 ]
                "Destination ports, of 25, 465, 587 and 2525.";
          };
        }
      ))
      [ ]
      [
        {
          user = "postfix";
          destinations = [ "203.0.113.25" ];
          ports = [ 587 ];
        }
      ]
      "Exceptions from the ban on mail. They do not free a bot from proxy-allowlist.";

  forward.allowedInterfaces = option (types.listOf types.str) [ ] [ "docker0" ] ''
    In proxy-allowlist: interfaces whose forwarded connections are allowed, except to SMTP and the metadata service. The container
    engine's bridge lets containers out; the uplink lets published ports in. A trailing * is a wildcard.
  '';
}
