# Everything that `admin` may run as root without a password: a list of complete command lines.
#
# No wildcards. In sudoers `*` also matches spaces and slashes, so upstream's `systemctl stop clawdbot-*` also allows
# `systemctl stop clawdbot-x nftables.service` (test/nix/sudo.test.ts shows both). Variable parts are regular expressions (sudo 1.9.10
# and later) that must match all arguments from ^ to $.
let
  text = import ./text.nix;
  names = import ./names.nix;
  sw = "/run/current-system/sw/bin";

  # sudo joins arguments with one space. A bot's name has no characters that are special to sudo or in a regular expression
  # (names.nix, isBotName); the dots are escaped here.
  escaped = builtins.replaceStrings [ "." ] [ "\\." ];
  lines = "--lines=[1-9][0-9]{0,4}";
  since = "( --since=-[1-9][0-9]{0,4}(s|m|h|d))?"; # Relative times only: no spaces, and nothing that journalctl could read as another argument.

  forBot =
    bot:
    let
      unit = "${names.botUnit bot}.service";
      logOf =
        name: "${sw}/journalctl ^--no-pager --output=short-iso --unit=${escaped name} ${lines}${since}( --follow)?$";
    in
    map (verb: "${sw}/systemctl ${verb} ${unit}") [
      "start"
      "stop"
      "restart"
    ]
    ++ [
      # Without --no-pager root's pager would start, and a pager starts a shell.
      "${sw}/systemctl status --no-pager --lines=0 ${unit}"
      (logOf unit)
      (logOf "${names.proxyUnit bot}.service") # What the bot was refused.
    ];
in
rec {
  inherit sw;

  # `""` means "no arguments" to sudo; without it, any arguments would be allowed.
  commands =
    {
      bots,
      rebuild ? false,
    }:
    [
      ''${sw}/clawdlets-receive-secrets ""''
      "${sw}/nix-env --list-generations --profile /nix/var/nix/profiles/system"
    ]
    ++ (
      if rebuild then
        [
          ''${sw}/clawdlets-activate ""'' # Its orders come on standard input: a token has no place on a command line.
          "${sw}/journalctl ^--no-pager --output=short-iso --unit=clawdlets-activation(-watch)?\\.service ${lines}${since}( --follow)?$"
        ]
      else
        [ ]
    )
    ++ builtins.concatLists (map forBot bots);

  # For NixOS' security.sudo.extraRules. NOSETENV: admin cannot set environment variables, which NixOS' own rules allow (SETENV).
  rules = settings: [
    {
      users = [ names.admin ];
      runAs = "root:root";
      commands = map (command: {
        inherit command;
        options = [
          "NOPASSWD"
          "NOSETENV"
        ];
      }) (commands settings);
    }
  ];

  # Without secure_path, which NixOS does not set, sudo accepts `PATH=…` from admin, on the command line or from the session. For
  # security.sudo.extraConfig.
  defaults = ''Defaults:${names.admin} secure_path="/run/wrappers/bin:${sw}"'';

  # The file that NixOS generates from these (nixpkgs, security/sudo.nix: one line per user, commands separated by commas), for visudo
  # and sudo without NixOS.
  file =
    settings:
    let
      wordsOf = { command, options }: "${builtins.concatStringsSep ":" options}: ${command}";
      lineOf =
        {
          users,
          runAs,
          commands,
        }:
        "${builtins.head users}     ALL=(${runAs})    ${builtins.concatStringsSep ", " (map wordsOf commands)}";
    in
    text.lines (
      map lineOf (rules settings)
      ++ [
        defaults
        ""
      ]
    );
}
