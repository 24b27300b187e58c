# Egress policy: what may leave the host, as one nftables table. Needs only `builtins`.
#
# Input, all of it optional:
#   mode            "smtp-only" (default), "proxy-allowlist" or "none"
#   botUids         numbers of the bots' users, e.g. [ 31007 ]
#   proxyUid        number of the proxy's user; default names.proxyUid
#   proxyPort       where the proxy listens on 127.0.0.1; default 3128
#   resolvers       addresses at which the proxy may ask for names; default [ "127.0.0.53" ], systemd-resolved
#   plainHttp       may the proxy also speak to port 80; default false
#   smtpExceptions  [ { uid ? null; destinations ? [ ]; ports ? [ 25 465 587 2525 ]; } ], uid or destinations given
#   loopbackPorts   { "<uid>" = [ port ]; }: further ports on loopback that this bot may connect to
#   forwardFrom     interfaces whose forwarded traffic is left alone in proxy-allowlist, e.g. [ "docker0" ]
let
  text = import ../text.nix;
  input = import ./input.nix;
  rules = import ./rules.nix;
in
rec {
  inherit (input) modes problems;
  units = import ./units.nix;

  family = "inet";
  # No other table is called so; NixOS's own are nixos-fw and nixos-nat.
  tableName = "clawdlets-egress";

  # The inside of the table, for networking.nftables.tables. Throws with every problem of the input.
  content = given: rules.content (input.checked given);

  # A whole file for `nft -f`: replaces the table in one transaction, so that there is no moment without it.
  ruleset =
    given:
    text.lines [
      "table ${family} ${tableName}"
      "delete table ${family} ${tableName}"
      "table ${family} ${tableName} {"
      (content given)
      "}"
      ""
    ];
}
