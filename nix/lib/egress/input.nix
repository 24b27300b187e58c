# Validates the input of the egress policy and adds defaults. Everything that ends up in a rule goes through here, to prevent
# injection: nft would read an unchecked value as rules.
let
  text = import ../text.nix;

  modes = [
    "smtp-only"
    "proxy-allowlist"
    "none"
  ];
  smtpPorts = [
    25
    465
    587
    2525
  ];

  octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  address4 = "${octet}(\\.${octet}){3}";
  prefix4 = "(/(3[0-2]|[12]?[0-9]))?";
  prefix6 = "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?";

  isText = value: builtins.isString value;
  # nft parses the address; here it is enough that only an address can be written.
  isIpv4 = value: isText value && builtins.match "${address4}${prefix4}" value != null;
  isIpv6 =
    value: isText value && builtins.match "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*${prefix6}" value != null;
  isAddress = value: isIpv4 value || isIpv6 value;
  isUid = value: builtins.isInt value && value >= 0 && value < 4294967295;
  isUser = value: isText value && builtins.match "[a-z_][a-z0-9_-]{0,30}" value != null;
  isPort = value: builtins.isInt value && value > 0 && value < 65536;
  # IFNAMSIZ is 16 with the closing zero byte. A closing * is nft's own wildcard.
  isInterface = value: isText value && builtins.match "[A-Za-z0-9_.@:-]{1,15}[*]?" value != null;

  show = builtins.toJSON;
  each =
    option: allowed: isGood: values:
    map (value: "${option}: ${show value} is not allowed. Give ${allowed}.") (
      builtins.filter (value: !(isGood value)) values
    );

  exceptionProblems =
    {
      uid ? null,
      destinations ? [ ],
      ports ? smtpPorts,
      ...
    }:
    let
      option = "clawdlets.egress.smtp.exceptions";
    in
    each "${option}.*.destinations"
      ''IPv4 or IPv6 addresses or networks, e.g. "203.0.113.25" or "2001:db8::/64"''
      isAddress
      destinations
    ++ each "${option}.*.ports" "some of 25, 465, 587 and 2525, the only ports that are closed" (
      port: builtins.elem port smtpPorts
    ) ports
    ++ each "${option}.*.user" "a user with a fixed number (users.users.<name>.uid)" isUid (
      if uid == null then [ ] else [ uid ]
    )
    ++ (
      if uid == null && destinations == [ ] then
        [
          "${option}: an exception without user and destinations opens SMTP to everyone. Give at least one of them, or set clawdlets.egress.mode to \"none\"."
        ]
      else
        [ ]
    )
    ++ (
      if ports == [ ] then
        [
          "${option}.*.ports: an empty list opens nothing. Give some of 25, 465, 587 and 2525, or omit it for all four."
        ]
      else
        [ ]
    );

  reserved =
    { proxyUid, backup, ... }:
    [
      0
      proxyUid
    ]
    ++ (
      if backup == null then
        [ ]
      else
        [
          backup.uid
          backup.proxyUid
        ]
    );

  defaults = {
    mode = "smtp-only";
    botUids = [ ];
    users = { };
    inherit (import ../names.nix) proxyUid;
    proxyPort = 3128;
    proxyAddresses = { };
    resolvers = [ "127.0.0.53" ];
    plainHttp = false;
    smtpExceptions = [ ];
    loopbackPorts = { };
    tailnetAddresses = { };
    forwardFrom = [ ];
    backup = null;
  };
in
rec {
  inherit
    modes
    smtpPorts
    isIpv4
    isIpv6
    ;

  # Problems as sentences that name the option, the value and what is allowed. Empty if there are none.
  problems =
    given:
    let
      input = defaults // given;
    in
    each "clawdlets.egress.mode" ''"smtp-only", "proxy-allowlist" or "none"''
      (mode: builtins.elem mode modes)
      [
        input.mode
      ]
    ++ each "users" "names of users, by number" isUser (builtins.attrValues input.users)
    ++ each "users" "numbers, with the names of their users" (uid: builtins.match "[0-9]+" uid != null) (
      builtins.attrNames input.users
    )
    ++ each "clawdlets.egress.proxy.port" "a port, 1 to 65535" isPort [ input.proxyPort ]
    ++ each "proxyAddresses" "addresses of loopback" (address: isIpv4 address && text.hasPrefix "127." address) (
      builtins.attrValues input.proxyAddresses
    )
    ++ each "clawdlets.egress.proxy.resolvers" "IPv4 or IPv6 addresses" isAddress input.resolvers
    ++ each "clawdlets.bots.*.uid" "a number from 0 to 4294967294" isUid input.botUids
    ++
      each "clawdlets.bots.*.uid"
        "any number except root's, the proxy's and those of backups, which have rules of their own"
        (uid: !(builtins.elem uid (reserved input)))
        input.botUids
    ++ each "clawdlets.egress.loopbackPorts" "ports, 1 to 65535" isPort (
      builtins.concatLists (builtins.attrValues input.loopbackPorts)
    )
    ++
      each "clawdlets.egress.tailnetAddresses"
        ''IPv4 or IPv6 addresses or networks of the tailnet, e.g. "100.64.0.7"''
        isAddress
        (builtins.concatLists (builtins.attrValues input.tailnetAddresses))
    ++
      each "clawdlets.egress.forward.allowedInterfaces"
        ''names of interfaces, at most 15 characters, e.g. "docker0" or "br-*"''
        isInterface
        input.forwardFrom
    ++ each "clawdlets.backups.addresses" ''IPv4 or IPv6 addresses or networks, e.g. "10.0.0.5"'' isAddress (
      if input.backup == null then [ ] else input.backup.addresses or [ ]
    )
    ++ builtins.concatMap exceptionProblems input.smtpExceptions;

  checked =
    given:
    let
      unknown = builtins.filter (name: !(defaults ? ${name})) (builtins.attrNames given);
      found = problems given;
    in
    if unknown != [ ] then
      throw "nix/lib/egress: unknown ${show unknown}. It takes ${show (builtins.attrNames defaults)}."
    else if found != [ ] then
      throw (text.lines found)
    else
      defaults // given;
}
