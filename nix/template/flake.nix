{
  description = "My bot hosts";

  inputs = {
    # Your clawdlets repository; `nix flake lock` pins it.
    clawdlets.url = "github:CHANGE_ME/clawdlets";
    # NixOS and OpenClaw, here so that `nix flake update` moves them: what clawdlets itself locks moves only with clawdlets.
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    nix-openclaw.url = "github:openclaw/nix-openclaw";
    clawdlets.inputs.nixpkgs.follows = "nixpkgs";
    clawdlets.inputs.nix-openclaw.follows = "nix-openclaw";
  };

  # One host per stacks/Pulumi.<host>.yaml, which `clawdlets init` writes, plus hosts/<host>.nix for everything else.
  outputs =
    { self, clawdlets, ... }:
    {
      nixosConfigurations = clawdlets.lib.hostsFrom self;
    };
}
