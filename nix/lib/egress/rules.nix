# The body of one nftables table, for validated input. Chains are named after what they check.
#
# Chains here only reject a packet or pass it on; they open nothing that another table closes. Hooks run 10 before the firewalls of
# NixOS and Docker (priority filter) and after their NAT, so that they see the real destination.
let
  text = import ../text.nix;
  names = import ../names.nix;
  ranges = import ./ranges.nix;
  users = import ./users.nix;
  inherit (import ./input.nix) smtpPorts isIpv4 isIpv6;
  inherit (import ./proxy.nix) clientsOfBot;

  set = values: "{ ${builtins.concatStringsSep ", " (map toString values)} }";
  when = condition: rules: if condition then rules else [ ];

  # NixOS never renumbers a user that exists, as on a host that upstream installed. So a rule that is about a user names a variable;
  # its value is the declared number, until the file that the activation of the system writes (users.nix) has the real one.
  who =
    input: uid:
    if input.users ? ${toString uid} then "$" + users.variable uid else toString uid;
  variables =
    input:
    map (uid: "define ${users.variable uid} = ${uid}") (builtins.attrNames input.users)
    ++ when (input.users != { }) [ "include ${text.quoted users.file}" ];
  chain = name: rules: "chain ${name} {\n${text.lines (map (rule: "  ${rule}") rules)}\n}";

  # Reject rather than drop: the program fails at once instead of after minutes, and nothing leaves the host either way. TCP gets a
  # reset, since an ICMP error during connect(2) only takes effect at the next SYN a second later (Linux 6.18: 1016 ms instead of 2).
  # The log is rate-limited, so that a bot cannot fill the journal.
  refuse = subject: [
    ''limit rate 6/minute burst 12 packets log prefix "clawdlets-egress ${subject}: "''
    "meta l4proto tcp counter reject with tcp reset"
    "counter reject with icmpx admin-prohibited"
  ];

  # Replies to inbound connections are not egress. Without this, a client whose source port is 2525 gets no reply.
  answers = "ct state established ct direction reply";

  # "uid" only for local packets: forwarded ones have no user.
  smtpException =
    { withUid }:
    input:
    {
      uid ? null,
      destinations ? [ ],
      ports ? smtpPorts,
      ...
    }:
    let
      dports = "tcp dport ${set ports}";
      sender = if uid == null then "" else "meta skuid ${who input uid} ";
      v4 = builtins.filter isIpv4 destinations;
      v6 = builtins.filter isIpv6 destinations;
    in
    when (withUid || uid == null) (
      when (destinations == [ ]) [ "${sender}${dports} return" ]
      ++ when (v4 != [ ]) [ "${sender}ip daddr ${set v4} ${dports} return" ]
      ++ when (v6 != [ ]) [ "${sender}ip6 daddr ${set v6} ${dports} return" ]
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
      ++ builtins.concatMap (smtpException options input) input.smtpExceptions
      ++ refuse "smtp"
    );

  # Behind a host in a tailnet are the operator's machines, and services that take being in the tailnet for a login. The interface
  # counts as well: with --accept-routes, private networks lie behind it.
  toTailnet =
    input:
    when (input.botUids != [ ]) (
      map (to: "meta skuid ${set (map (who input) input.botUids)} ${to} jump tailnet") [
        "ip daddr ${ranges.tailnet.v4}"
        "ip6 daddr ${ranges.tailnet.v6}"
        ''oifname "tailscale0"''
      ]
    );
  tailnetChain =
    input:
    let
      exception =
        uid:
        let
          v4 = builtins.filter isIpv4 input.tailnetAddresses.${uid};
          v6 = builtins.filter isIpv6 input.tailnetAddresses.${uid};
        in
        when (v4 != [ ]) [ "meta skuid ${who input uid} ip daddr ${set v4} return" ]
        ++ when (v6 != [ ]) [ "meta skuid ${who input uid} ip6 daddr ${set v6} return" ];
    in
    chain "tailnet" (
      [ "${answers} return" ]
      ++ builtins.concatMap exception (builtins.attrNames input.tailnetAddresses)
      ++ refuse "tailnet"
    );

  # Loopback is closed by default: behind it are the resolver (DNS tunnelling), sshd, tailscaled and the other bots. A bot reaches
  # only its proxy and its own declared listeners.
  botsChain =
    input:
    let
      proxies = map (
        uid: "${who input uid} . ${input.proxyAddresses.${toString uid} or (names.proxyAddress uid)}"
      ) input.botUids;
      toProxy = ''oifname "lo" meta skuid . ip daddr ${set proxies} tcp dport ${toString input.proxyPort}'';
      ports = builtins.concatLists (
        map (uid: map (port: "${who input uid} . ${toString port}") input.loopbackPorts.${uid}) (
          builtins.attrNames input.loopbackPorts
        )
      );
    in
    chain "bots" (
      when (proxies != [ ]) [
        "${toProxy} jump proxy_clients"
        "${toProxy} return"
      ]
      ++ [ ''oifname "lo" ${answers} return'' ]
      ++ when (ports != [ ]) [ ''oifname "lo" meta skuid . tcp dport ${set ports} return'' ]
      ++ refuse "bot"
    );

  # Counted by user: what a bot holds of the proxy is not another bot's to wait for.
  proxyClients = text.lines [
    "set clients {\n  type uid\n  size 65535\n  flags dynamic\n}"
    (chain "refused_clients" (refuse "too many connections"))
    (chain "proxy_clients" [
      "ct state new add @clients { meta skuid ct count over ${toString clientsOfBot} } goto refused_clients"
    ])
  ];

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
        # The host's own public address and broadcasts.
        "fib daddr type != unicast goto refused_proxy"
        "ip daddr ${set ranges.notPublic4} goto refused_proxy"
        "ip6 daddr != ${ranges.public6} goto refused_proxy"
        "ip6 daddr ${set ranges.notPublic6} goto refused_proxy"
        "tcp dport ${set ports} return"
        "goto refused_proxy"
      ]
    );

  # The user of backups may read every bot's folder, so it reaches its proxy and nothing else, in every mode.
  backupChains =
    input:
    let
      inherit (input) backup;
      listed = backup.addresses or [ ];
      port = "tcp dport ${toString backup.port}";
      to =
        list: verdict:
        let
          v4 = builtins.filter isIpv4 list;
          v6 = builtins.filter isIpv6 list;
        in
        when (v4 != [ ]) [ "ip daddr ${set v4} ${verdict}" ]
        ++ when (v6 != [ ]) [ "ip6 daddr ${set v6} ${verdict}" ];
    in
    when (backup != null) [
      (chain "refused_backup" (refuse "backup"))
      (chain "backup" [
        ''oifname "lo" ip daddr ${backup.proxyAddress} tcp dport ${toString backup.proxyPort} return''
        "goto refused_backup"
      ])
      (chain "backup_proxy" (
        [ ''oifname "lo" ${answers} return'' ]
        ++ when (backup.resolves or true) (
          to input.resolvers "meta l4proto { tcp, udp } th dport 53 return"
        )
        ++ to listed "${port} return"
        ++ when (listed == [ ]) [
          "fib daddr type != unicast goto refused_backup"
          "ip daddr ${set ranges.notPublic4} goto refused_backup"
          "ip6 daddr != ${ranges.public6} goto refused_backup"
          "ip6 daddr ${set ranges.notPublic6} goto refused_backup"
          "${port} return"
        ]
        ++ [ "goto refused_backup" ]
      ))
    ];
  toBackup =
    input:
    when (input.backup != null) [
      "meta skuid ${who input input.backup.uid} goto backup"
      "meta skuid ${who input input.backup.proxyUid} goto backup_proxy"
    ];

  # Containers of a root-owned engine: their packets are forwarded and have no user, so no per-user rule applies.
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
      variables input
      ++ [ (chain "metadata" ([ "meta skuid 0 return" ] ++ refuse "metadata")) ]
      ++ [ (chain "metadata_forwarded" (refuse "metadata")) ]
      ++ when (input.botUids != [ ]) [ (tailnetChain input) ]
      ++ when smtp [
        (smtpChain "smtp" { withUid = true; } input)
        (smtpChain "smtp_forwarded" { withUid = false; } input)
      ]
      ++ when allowlist [
        proxyClients
        (botsChain input)
        (chain "refused_proxy" (refuse "proxy"))
        (proxyChain input)
        (containersChain input)
      ]
      ++ backupChains input
      ++ [
        (chain "output" (
          [ "type filter hook output priority filter - 10; policy accept;" ]
          ++ toMetadata "jump metadata"
          ++ toTailnet input
          ++ when smtp [ (toSmtp "jump smtp") ]
          ++ when (allowlist && input.botUids != [ ]) [ "meta skuid ${set (map (who input) input.botUids)} goto bots" ]
          ++ when allowlist [ "meta skuid ${who input input.proxyUid} goto proxy" ]
          ++ toBackup input
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
