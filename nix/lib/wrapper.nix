# A command that runs one of nix/host/*.sh with fixed programs and settings, independent of the caller's environment.
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
