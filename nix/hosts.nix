# nixosConfigurations of a project: one a stacks/Pulumi.<host>.yaml, with hosts/<host>.nix beside it where there is one. Nothing
# else has to be edited for a new host.
{
  lib,
  system,
  module,
}:
root:
let
  inherit (import ./lib/stacks.nix) hostsIn;
  own = host: root + "/hosts/${host}.nix";
in
builtins.mapAttrs (
  _: stack:
  lib.nixosSystem {
    inherit system;
    modules = [
      module
      stack.module
      { system.configurationRevision = root.rev or null; }
    ]
    ++ lib.optional (builtins.pathExists (own stack.host)) (own stack.host);
  }
) (hostsIn (root + "/stacks"))
