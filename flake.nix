{
  description = "Hardened NixOS bot hosts on Hetzner Cloud: the host's half";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    disko = {
      url = "github:nix-community/disko";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    # OpenClaw, fetched only for a host with a bot that runs it. Its own nixpkgs stays: with ours, nothing is in its binary cache.
    nix-openclaw.url = "github:openclaw/nix-openclaw";
    sops-nix = {
      url = "github:Mic92/sops-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      disko,
      nix-openclaw,
      sops-nix,
    }:
    let
      inherit (nixpkgs) lib;
      # Hetzner's CX, CPX and CCX, and its CAX. Each host has its own, by its server type (nix/lib/stacks.nix).
      hostSystems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      operatorSystems = hostSystems ++ [ "aarch64-darwin" ];
      forOperators = make: lib.genAttrs operatorSystems (each: make nixpkgs.legacyPackages.${each});

      modules = {
        host = ./nix/modules/host.nix;
        disk.imports = [
          disko.nixosModules.disko
          ./nix/modules/disk.nix
        ];
        ssh = ./nix/modules/ssh.nix;
        tailnet = ./nix/modules/tailnet.nix;
        secrets.imports = [
          sops-nix.nixosModules.sops
          ./nix/modules/secrets.nix
        ];
        egress = ./nix/modules/egress.nix;
        backups = ./nix/modules/backups.nix;
        bots = ./nix/modules/bots.nix;
        operator = ./nix/modules/operator.nix;
        hetzner = ./nix/modules/hetzner.nix;
      };

      # Every host that a project has a stack file for, by the name that the operator's side installs it under.
      hostsFrom = import ./nix/hosts.nix {
        inherit lib;
        module = self.nixosModules.default;
        openclaw = nix-openclaw;
      };
    in
    {
      nixosModules = modules // {
        default.imports = builtins.attrValues modules;
      };

      lib = { inherit hostsFrom; };

      nixosConfigurations = hostsFrom self;

      devShells = forOperators (pkgs: {
        default = pkgs.mkShellNoCC {
          packages = [
            pkgs.age
            pkgs.git
            pkgs.go
            pkgs.nixos-anywhere
            pkgs.nodejs_22
            pkgs.openssh
            pkgs.sops
          ];
        };
      });

      formatter = forOperators (pkgs: pkgs.nixfmt-tree);

      checks = lib.genAttrs hostSystems (
        system:
        import ./nix/checks {
          inherit self lib hostSystems;
          pkgs = nixpkgs.legacyPackages.${system};
          packagesOf = host: nixpkgs.legacyPackages.${host};
        }
      );

      templates.default = {
        path = ./nix/template;
        description = "A repository of an operator's own: stack files, and Nix for what they do not say";
        welcomeText = "Set inputs.clawdlets.url in flake.nix, then: npx --no-install clawdlets init";
      };
    };
}
