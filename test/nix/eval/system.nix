# A NixOS system of these modules, with our declarations for NixOS' options.
{
  lib ? import ./lib.nix,
  modules,
  system ? "x86_64-linux",
}:
let
  # What the declared modules do themselves and refuse, as far as ours depend on it.
  behaviour =
    { config, lib, ... }:
    let
      inherit (config.boot.loader) grub;
      users = builtins.attrValues config.users.users;
      unique =
        values: builtins.all (value: builtins.length (builtins.filter (v: v == value) values) == 1) values;
      regular = builtins.filter (secret: !secret.neededForUsers) (
        builtins.attrValues config.sops.secrets
      );
    in
    {
      # system/boot/loader/grub/grub.nix, and disko: lib/types/gpt.nix
      boot.loader.grub.devices = lib.mkMerge [
        (lib.mkIf (grub.device != "") [ grub.device ])
        (map (disk: disk.device) (
          builtins.filter (
            disk: builtins.any ({ type, ... }: type == "EF02") (builtins.attrValues disk.content.partitions)
          ) (builtins.attrValues config.disko.devices.disk)
        ))
      ];
      # services/networking/nftables.nix
      networking.nftables.flushRuleset = lib.mkDefault (config.networking.nftables.ruleset != "");
      assertions = [
        {
          assertion = !grub.enable || unique grub.devices;
          message = "You cannot have duplicated devices in mirroredBoots";
        }
        # config/users-groups.nix
        {
          assertion = unique (builtins.filter (uid: uid != null) (map (user: user.uid) users));
          message = "UIDs and GIDs must be unique!";
        }
      ]
      ++ map (user: {
        assertion =
          user.isNormalUser
          != (user.isSystemUser || (user.uid != null && user.uid < 1000 && !user.isNormalUser));
        message = "Exactly one of users.users.${user.name}.isSystemUser and users.users.${user.name}.isNormalUser must be set.";
      }) (builtins.filter (user: user.name != "root") users)
      ++ map (user: {
        assertion = user.isNormalUser || config.users.groups ? ${user.group};
        message = "The following users have a primary group that is undefined: ${user.name}";
      }) users;

      # sops-nix: modules/sops/default.nix
      systemd.services.sops-install-secrets =
        lib.mkIf (regular != [ ] && config.sops.useSystemdActivation)
          {
            wantedBy = [ "sysinit.target" ];
            serviceConfig = {
              Type = "oneshot";
              ExecStart = [ "sops-install-secrets manifest.json" ];
              RemainAfterExit = true;
            };
          };
      sops.placeholder = lib.mkIf (config.sops.templates != { }) (
        builtins.mapAttrs (name: _: lib.mkDefault "<SOPS:${name}:PLACEHOLDER>") config.sops.secrets
      );
    };
in
lib.evalModules {
  modules = [
    ./declarations.nix
    behaviour
  ]
  ++ modules;
  specialArgs = {
    pkgs = import ./pkgs.nix // {
      stdenv.hostPlatform = {
        inherit system;
        isAarch64 = system == "aarch64-linux";
      };
    };
    modulesPath = toString ./nixpkgs;
  };
}
