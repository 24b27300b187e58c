# A command that runs one of nix/host/*.sh with fixed programs and settings, independent of the caller's environment.
{ lib, pkgs }:
let
  # The script with the folder lib beside it, and no other script: otherwise all commands, and the units that run them, would change with one.
  sources =
    script:
    let
      folder = dirOf script;
      library = "${toString folder}/lib";
    in
    builtins.path {
      name = "clawdlets-host";
      path = folder;
      filter = path: _: path == toString script || path == library || dirOf path == library;
    };
in
{
  name,
  script,
  programs,
  environment,
}:
pkgs.writeShellScriptBin name ''
  export PATH=${lib.makeBinPath programs}
  ${builtins.concatStringsSep "\n" (
    map (key: "export ${key}=${lib.escapeShellArg environment.${key}}") (builtins.attrNames environment)
  )}
  exec ${pkgs.bash}/bin/bash ${sources script}/${baseNameOf script} "$@"
''
