# A command that runs one of nix/host/*.sh with its programs and its settings, whatever the caller's environment is.
{ lib, pkgs }:
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
  exec ${pkgs.bash}/bin/bash ${script} "$@"
''
