# nixosConfigurations of a project: one per stacks/Pulumi.<host>.yaml, with hosts/<host>.nix if it exists. Nothing else needs to be
# edited for a new host.
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
