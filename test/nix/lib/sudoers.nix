let
  sudoers = import ../../../nix/lib/sudoers.nix;
  commands = sudoers.commands {
    bots = [
      "maren"
      "sonja"
    ];
    rebuild = true;
    tailnet = true;
  };
  has = pattern: text: builtins.match pattern text != null;
in
{
  "no command has a wildcard of sudoers" = {
    # Outside of a regular expression, which begins with ^ and ends with $.
    expr = builtins.filter (
      command: has ".*[*?].*" (builtins.head (builtins.split " \\^.*\\$$" command))
    ) commands;
    expected = [ ];
  };
  "regular expressions are anchored at both ends, and allow no dot for any character" = {
    expr = builtins.filter (
      command:
      has ".*\\^.*" command
      && (
        !has "[^^]* \\^.*\\$" command
        || has ".*[^\\]\\.[^/].*" (builtins.elemAt (builtins.match "[^^]*(\\^.*)" command) 0)
      )
    ) commands;
    expected = [ ];
  };
  "every command says its arguments, or that it has none" = {
    expr = builtins.filter (command: !has "/[^ ]+ .+" command) commands;
    expected = [ ];
  };
  "a rebuild is allowed only where it is asked for" = {
    expr = builtins.filter (has ".*rebuild.*") (sudoers.commands { bots = [ ]; });
    expected = [ ];
  };
  "a rekey is allowed only where it is asked for, and takes no arguments" = {
    expr = map (settings: builtins.filter (has ".*rekey.*") (sudoers.commands settings)) [
      { bots = [ ]; }
      {
        bots = [ ];
        tailnet = true;
      }
    ];
    expected = [
      [ ]
      [ ''/run/current-system/sw/bin/clawdlets-rekey ""'' ]
    ];
  };
  "there are seven commands a bot" = {
    expr = builtins.length (builtins.filter (has ".*maren.*") commands);
    expected = 7;
  };
}
