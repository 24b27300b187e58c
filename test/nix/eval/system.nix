# A NixOS system of these modules, with our declarations for NixOS' options.
{
  lib ? import ./lib.nix,
  modules,
}:
let
  placeholders =
    { config, lib, ... }:
    {
      # As sops-nix does.
      sops.placeholder = lib.mkIf (config.sops.templates != { }) (
        builtins.mapAttrs (name: _: lib.mkDefault "<SOPS:${name}:PLACEHOLDER>") config.sops.secrets
      );
    };
in
lib.evalModules {
  modules = [
    ./declarations.nix
    placeholders
  ]
  ++ modules;
  specialArgs = {
    pkgs = import ./pkgs.nix;
    modulesPath = toString ./nixpkgs;
  };
}
