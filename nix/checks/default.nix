# Checks that need nixpkgs, for `nix flake check`: what `npm test` cannot run (docs/nixos.md says which runs where).
{
  self,
  lib,
  pkgs,
  hostSystems,
  packagesOf,
}:
let
  onFiles =
    name: packages: command:
    pkgs.runCommand "clawdlets-${name}" { nativeBuildInputs = packages; } ''
      cd ${self}
      ${command}
      touch $out
    '';
  example = import ./example.nix { inherit self lib; };
in
{
  format = onFiles "format" [ pkgs.nixfmt ] "find . -name '*.nix' -exec nixfmt --check {} +";
  deadnix = onFiles "deadnix" [ pkgs.deadnix ] "deadnix --fail .";
  statix = onFiles "statix" [ pkgs.statix ] "statix check .";
  shellcheck = onFiles "shellcheck" [ pkgs.shellcheck ] "shellcheck --shell=bash nix/host/*.sh";

  # All modules with the real nixpkgs, disko and sops-nix, each option value used once, evaluated up to the system's derivation, for x86
  # and ARM hosts alike.
  modules = pkgs.writeText "clawdlets-modules" (
    lib.concatMapStringsSep "\n" (
      system:
      lib.concatMapStringsSep "\n" (
        settings:
        builtins.unsafeDiscardStringContext (example system settings).config.system.build.toplevel.drvPath
      ) (import ./variants.nix { pkgs = packagesOf system; })
    ) hostSystems
  );

  vm = import ./vm.nix { inherit self pkgs; };
}
