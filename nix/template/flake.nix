{
  description = "My bot hosts";

  # Where you have clawdlets; `nix flake lock` then pins it.
  inputs.clawdlets.url = "github:CHANGE_ME/clawdlets";

  # One host a stacks/Pulumi.<host>.yaml, which `clawdlets init` writes, with hosts/<host>.nix for what it does not say.
  outputs =
    { self, clawdlets }:
    {
      nixosConfigurations = clawdlets.lib.hostsFrom self;
    };
}
