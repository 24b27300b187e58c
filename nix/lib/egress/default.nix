# Egress policy: what may leave the host, as one nftables table. Needs only `builtins`.
#
# Input, all of it optional:
#   mode            "smtp-only" (default), "proxy-allowlist" or "none"
#   botUids         numbers of the bots' users, e.g. [ 31007 ]
#   users           { "<uid>" = name; } of the users that the numbers here are declared for: what counts is the number that each has
#                   when the rules are loaded (users.nix)
#   proxyUid        number of the proxy's user; default names.proxyUid
#   proxyPort       where the proxies listen; default 3128
#   proxyAddresses  { "<uid>" = address; } of the bots' proxies, where they are not names.proxyAddress
#   resolvers       addresses of the DNS servers that the proxy may ask; default [ "127.0.0.53" ], systemd-resolved
#   plainHttp       whether the proxy may also connect to port 80; default false
#   smtpExceptions  [ { uid ? null; destinations ? [ ]; ports ? [ 25 465 587 2525 ]; } ], uid or destinations given
#   loopbackPorts   { "<uid>" = [ port ]; }: additional loopback ports that this bot may connect to
#   tailnetAddresses { "<uid>" = [ address ]; }: tailnet addresses that this bot may connect to; in proxy-allowlist none counts
#   backup          { uid; proxyUid; proxyAddress; proxyPort; port; addresses ? [ ]; resolves ? true; }: the user of backups reaches that
#                   proxy and nothing else, and that reaches `port` of public addresses, or of `addresses` if there are any
#   forwardFrom     interfaces whose forwarded traffic is allowed in proxy-allowlist, e.g. [ "docker0" ]
let
  text = import ../text.nix;
  input = import ./input.nix;
  rules = import ./rules.nix;
in
rec {
  inherit (input) modes problems;
  units = import ./units.nix;
  derived = import ./derived.nix;
  users = import ./users.nix;

  family = "inet";
  # A unique name; NixOS's own tables are nixos-fw and nixos-nat.
  tableName = "clawdlets-egress";

  # The body of the table, for networking.nftables.tables. Throws with all problems of the input.
  content = given: rules.content (input.checked given);

  # A complete file for `nft -f`. It replaces the table in one transaction, so that there is no moment without rules.
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
