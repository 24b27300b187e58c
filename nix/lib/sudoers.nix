# Everything that `admin` may run as root without a password: a list of complete command lines, sudo-commands.json.
#
# No wildcards. In sudoers `*` also matches spaces and slashes, so upstream's `systemctl stop clawdbot-*` also allows
# `systemctl stop clawdbot-x nftables.service` (test/nix/sudo.test.ts shows both). Variable parts are regular expressions (sudo 1.9.10
# and later) that must match all arguments from ^ to $, which sudo joins with one space. `--since` takes relative times only: no spaces,
# and nothing that journalctl could read as another argument. Without --no-pager root's pager would start, and a pager starts a shell.
# Orders for clawdlets-activate and clawdlets-rekey come on standard input: a token or key has no place on a command line.
let
  text = import ./text.nix;
  names = import ./names.nix;
  sw = "/run/current-system/sw/bin";
  planned = builtins.fromJSON (builtins.readFile ./sudo-commands.json);

  # A bot's name has no characters that are special to sudo or in a regular expression (names.nix, isBotName) but for the dot.
  forBot =
    bot:
    let
      pattern = builtins.replaceStrings [ "." ] [ "\\." ] bot;
      named = builtins.replaceStrings [ "@bot@" ] [ bot ];
      inPattern = builtins.replaceStrings [ "@botPattern@" ] [ pattern ];
    in
    map (command: inPattern (named command)) planned.bot;
in
rec {
  inherit sw;

  commands =
    {
      bots,
      rebuild ? false,
      backups ? false,
      push ? false,
      tailnet ? false,
    }:
    map (command: "${sw}/${command}") (
      planned.host
      ++ (if rebuild then planned.rebuild else [ ])
      ++ (if backups then planned.backups else [ ])
      ++ (if push then planned.push else [ ])
      ++ (if tailnet then planned.tailnet else [ ])
      ++ builtins.concatLists (map forBot bots)
    );

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
