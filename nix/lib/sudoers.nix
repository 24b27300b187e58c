# What `admin` may run as root without a password, and all that admin may: whole command lines.
#
# No wildcard stands here. In sudoers `*` matches spaces and slashes too, so that `systemctl stop clawdbot-*`, as upstream
# had it, also allows `systemctl stop clawdbot-x nftables.service` (test/nix/sudo.test.ts shows both). What varies is by
# regular expression, which sudo knows since 1.9.10 and which has to match all arguments from ^ to $.
let
  text = import ./text.nix;
  names = import ./names.nix;
  sw = "/run/current-system/sw/bin";

  # One space between each two arguments, as sudo joins them. Within a bot's name nothing is special to sudo or to a regular
  # expression (names.nix, isBotName); the dots are escaped here.
  escaped = builtins.replaceStrings [ "." ] [ "\\." ];
  lines = "--lines=[1-9][0-9]{0,4}";
  since = "( --since=-[1-9][0-9]{0,4}(s|m|h|d))?"; # Relative times only: no spaces, nothing that journalctl could take as more.

  forBot =
    bot:
    let
      unit = "${names.botUnit bot}.service";
    in
    map (verb: "${sw}/systemctl ${verb} ${unit}") [
      "start"
      "stop"
      "restart"
    ]
    ++ [
      # Without --no-pager root's pager would start, and a pager starts a shell.
      "${sw}/systemctl status --no-pager --lines=0 ${unit}"
      "${sw}/journalctl ^--no-pager --output=short-iso --unit=${escaped unit} ${lines}${since}( --follow)?$"
    ];
in
rec {
  inherit sw;

  # `""` is sudo's word for no arguments; a command without it could have any.
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

  # For NixOS' security.sudo.extraRules. NOSETENV: admin chooses no environment for them, as NixOS' own rules allow (SETENV).
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

  # Without it sudo takes `PATH=…` from admin, on the command line or from the session, and NixOS sets none. For
  # security.sudo.extraConfig.
  defaults = ''Defaults:${names.admin} secure_path="/run/wrappers/bin:${sw}"'';

  # The file that NixOS makes of these (nixpkgs, security/sudo.nix: one line a user, commands separated by commas), for visudo
  # and sudo where there is no NixOS.
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
