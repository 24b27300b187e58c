# The text inside one nftables table, for checked input. Chains are called by what they judge.
#
# Every chain here only refuses or lets the packet go on; nothing is opened that another table closes. Hooks sit ten before
# the firewalls of NixOS and Docker (priority filter), and after their address translation, so that it is the real
# destination that is judged.
let
  text = import ../text.nix;
  ranges = import ./ranges.nix;
  inherit (import ./input.nix) smtpPorts isIpv4 isIpv6;

  set = values: "{ ${builtins.concatStringsSep ", " (map toString values)} }";
  when = condition: rules: if condition then rules else [ ];
  chain = name: rules: "chain ${name} {\n${text.lines (map (rule: "  ${rule}") rules)}\n}";

  # A reject tells the program at once instead of letting it wait for minutes; nothing leaves the host either way. TCP by a
  # reset: an ICMP error that comes while connect(2) holds the socket is only noted, and the program waits a second for the
  # next SYN (seen on Linux 6.18, 1016 ms against 2). The log is limited: a bot must not be able to fill the journal.
  refuse = subject: [
    ''limit rate 6/minute burst 12 packets log prefix "clawdlets-egress ${subject}: "''
    "meta l4proto tcp counter reject with tcp reset"
    "counter reject with icmpx admin-prohibited"
  ];

  # Answers to those who came in are no egress. Without this, a client that happens to come from port 2525 gets none.
  answers = "ct state established ct direction reply";

  # "uid" only where the packet is this host's own: forwarded ones have no user.
  smtpException =
    { withUid }:
    exception:
    let
      ports = "tcp dport ${set (exception.ports or smtpPorts)}";
      uid = exception.uid or null;
      who = if uid == null then "" else "meta skuid ${toString uid} ";
      destinations = exception.destinations or [ ];
      v4 = builtins.filter isIpv4 destinations;
      v6 = builtins.filter isIpv6 destinations;
    in
    when (withUid || uid == null) (
      when (destinations == [ ]) [ "${who}${ports} return" ]
      ++ when (v4 != [ ]) [ "${who}ip daddr ${set v4} ${ports} return" ]
      ++ when (v6 != [ ]) [ "${who}ip6 daddr ${set v6} ${ports} return" ]
    );

  toMetadata = verdict: [
    "ip daddr ${set ranges.metadata.v4} ${verdict}"
    "ip6 daddr ${set ranges.metadata.v6} ${verdict}"
  ];
  toSmtp = verdict: "tcp dport ${set smtpPorts} ${verdict}";

  smtpChain =
    name: options: input:
    chain name (
      [ "${answers} return" ]
      ++ builtins.concatMap (smtpException options) input.smtpExceptions
      ++ refuse "smtp"
    );

  # Loopback is not open as such: behind it are the resolver (a tunnel made of DNS questions), sshd, the tailnet's agent and
  # the other bots. A bot reaches the proxy, and its own listeners where they are named.
  botsChain =
    input:
    let
      ports = builtins.concatLists (
        map (uid: map (port: "${uid} . ${toString port}") input.loopbackPorts.${uid}) (
          builtins.attrNames input.loopbackPorts
        )
      );
    in
    chain "bots" (
      [
        ''oifname "lo" ip daddr 127.0.0.1 tcp dport ${toString input.proxyPort} return''
        ''oifname "lo" ${answers} return''
      ]
      ++ when (ports != [ ]) [ ''oifname "lo" meta skuid . tcp dport ${set ports} return'' ]
      ++ refuse "bot"
    );

  proxyChain =
    input:
    let
      v4 = builtins.filter isIpv4 input.resolvers;
      v6 = builtins.filter isIpv6 input.resolvers;
      ports =
        if input.plainHttp then
          [
            80
            443
          ]
        else
          [ 443 ];
    in
    chain "proxy" (
      [ ''oifname "lo" ${answers} return'' ]
      ++ when (v4 != [ ]) [ "ip daddr ${set v4} meta l4proto { tcp, udp } th dport 53 return" ]
      ++ when (v6 != [ ]) [ "ip6 daddr ${set v6} meta l4proto { tcp, udp } th dport 53 return" ]
      ++ [
        # This host's own public address is no stranger's either, nor is a broadcast.
        "fib daddr type != unicast goto refused_proxy"
        "ip daddr ${set ranges.notPublic4} goto refused_proxy"
        "ip6 daddr != ${ranges.public6} goto refused_proxy"
        "ip6 daddr ${set ranges.notPublic6} goto refused_proxy"
        "tcp dport ${set ports} return"
        "goto refused_proxy"
      ]
    );

  # A container of a root-owned engine is no user of this host: its packets pass through, past every rule by user.
  containersChain =
    input:
    chain "containers" (
      [ "ct state established,related return" ]
      ++ when (input.forwardFrom != [ ]) [ "iifname ${set (map text.quoted input.forwardFrom)} return" ]
      ++ refuse "forwarded"
    );
in
{
  content =
    input:
    let
      smtp = input.mode != "none";
      allowlist = input.mode == "proxy-allowlist";
    in
    text.lines (
      [ (chain "metadata" ([ "meta skuid 0 return" ] ++ refuse "metadata")) ]
      ++ [ (chain "metadata_forwarded" (refuse "metadata")) ]
      ++ when smtp [
        (smtpChain "smtp" { withUid = true; } input)
        (smtpChain "smtp_forwarded" { withUid = false; } input)
      ]
      ++ when allowlist [
        (botsChain input)
        (chain "refused_proxy" (refuse "proxy"))
        (proxyChain input)
        (containersChain input)
      ]
      ++ [
        (chain "output" (
          [ "type filter hook output priority filter - 10; policy accept;" ]
          ++ toMetadata "jump metadata"
          ++ when smtp [ (toSmtp "jump smtp") ]
          ++ when (allowlist && input.botUids != [ ]) [ "meta skuid ${set input.botUids} goto bots" ]
          ++ when allowlist [ "meta skuid ${toString input.proxyUid} goto proxy" ]
        ))
        (chain "forward" (
          [ "type filter hook forward priority filter - 10; policy accept;" ]
          ++ toMetadata "jump metadata_forwarded"
          ++ when smtp [ (toSmtp "jump smtp_forwarded") ]
          ++ when allowlist [ "goto containers" ]
        ))
      ]
    );
}
