# The options of egress. Mode, port and allowedDomains are called, and written, as upstream's.
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
    - proxy-allowlist: as smtp-only; bots reach the host's proxy and nothing else, and it reaches allowedDomains. Containers
      reach nothing (forward.allowedInterfaces).
    - none: everything.

    In each of them only root reaches the metadata service.
  '';

  proxy = {
    port = option types.port 3128 8888 "The proxy's port on 127.0.0.1.";

    allowedDomains = option (types.listOf types.str) [ ] [ "api.example.com" ".discord.gg" ] ''
      Where bots may connect to in proxy-allowlist, by CONNECT to port 443. "example.com" is that name alone, ".example.com" is
      it and every name below it. A name that resolves to a private, tailnet, link-local or loopback address is refused all the
      same. Whoever runs an allowed site can pass on what a bot sends there.
    '';

    plainHttp = option types.bool false true ''
      Lets the proxy also fetch http:// from allowedDomains, at port 80: without encryption, readable and changeable on the way.
    '';

    resolvers = option (types.listOf types.str) [ "127.0.0.53" ] [ "10.0.0.2" ] ''
      Addresses at which the proxy may ask for names, at port 53. The default is systemd-resolved.
    '';
  };

  loopbackPorts = option (types.attrsOf (types.listOf types.port)) { } { maren = [ 18789 ]; } ''
    In proxy-allowlist: ports on loopback that a bot may connect to besides the proxy's, by the bot's name. Its own listener, for
    one. Other bots do not get them.
  '';

  smtp.exceptions =
    option
      (types.listOf (
        types.submodule {
          options = {
            user =
              option (types.nullOr types.str) null "postfix"
                "Who may. It must have a number (users.users.<name>.uid). null: everyone, containers included.";
            destinations =
              option (types.listOf types.str) [ ] [ "203.0.113.25" ]
                "To which addresses or networks. Empty: to all.";
            ports =
              option (types.listOf types.port) [ 25 465 587 2525 ] [ 587 ]
                "At which of 25, 465, 587 and 2525.";
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
      "Who may send mail all the same. Does not take a bot out of proxy-allowlist.";

  forward.allowedInterfaces = option (types.listOf types.str) [ ] [ "docker0" ] ''
    In proxy-allowlist: interfaces whose forwarded connections are left alone, SMTP and the metadata service excepted. The
    container engine's bridge lets containers out; the uplink lets published ports in. A closing * stands for any rest.
  '';
}
