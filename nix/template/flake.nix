{
  description = "My bot hosts";

  # Your clawdlets repository; `nix flake lock` pins it.
  inputs.clawdlets.url = "github:CHANGE_ME/clawdlets";

  # One host per stacks/Pulumi.<host>.yaml, which `clawdlets init` writes, plus hosts/<host>.nix for everything else.
  outputs =
    { self, clawdlets, ... }:
    {
      nixosConfigurations = clawdlets.lib.hostsFrom self;
    };
}
