# What every host is, wherever it runs: its name, users that cannot change, a kernel that tells nothing, bounded logs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  resolvers = [
    # Cloudflare, as upstream.
    "1.1.1.1"
    "1.0.0.1"
    "2606:4700:4700::1111"
    "2606:4700:4700::1001"
  ];
in
{
  options.clawdlets = {
    hostName = lib.mkOption {
      type = lib.types.str;
      default = "CHANGE_ME_HOSTNAME";
      example = "web-1";
      description = ''
        The host's name: that of its stack, and the one it has in the tailnet. The folder of its secrets is named after it.
        A lowercase letter, then up to 62 of a-z, 0-9 and "-", not ending in "-".
      '';
    };

    nameservers = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = resolvers;
      example = [ "9.9.9.9" ];
      description = "Addresses of DNS resolvers.";
    };

    provisioning.enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "For a first boot that is watched at the console: a host may have no way in by SSH yet.";
    };

    swap.sizeMiB = lib.mkOption {
      type = lib.types.nullOr lib.types.int;
      default = null;
      example = 4096;
      description = ''
        Size of the swap file /var/lib/swapfile in MiB; 0 for none. null: as much as the memory, but no more than a tenth of the
        disk and 16 GiB. It is made after the boot, so that nobody waits for it. Decrypted secrets are in ramfs, which is never
        swapped; a bot's own memory is not either (MemorySwapMax=0), unless it has no memory limit.
      '';
    };
  };

  config = {
    assertions = [
      {
        assertion = builtins.match "[a-z]([a-z0-9-]{0,61}[a-z0-9])?" cfg.hostName != null;
        message = ''clawdlets.hostName is "${cfg.hostName}"; allowed: a lowercase letter, then up to 62 of a-z, 0-9 and "-", not ending in "-". Set it to the name of the host's stack.'';
      }
    ];

    networking = {
      inherit (cfg) hostName nameservers;
      firewall = import ../lib/firewall.nix {
        publicSsh = cfg.publicSsh.enable;
        tailnet = cfg.tailnet.mode;
      };
      # Rules by nftables: the egress policy's tables stand beside the firewall's own, and a reload of one leaves the other.
      nftables = {
        enable = true;
        # nixpkgs turns it on for whoever sets a ruleset, and a reload then takes the egress policy's tables away.
        flushRuleset = false;
      };
    };

    users = {
      # What is not in the configuration is gone after the next boot, and no password changes but by `clawdlets secrets`.
      mutableUsers = false;
      # On the console, with the admin's password: sshd lets in nobody but admin, and `su` takes nobody without wheel.
      users.${names.breakglass} = {
        isNormalUser = true;
        extraGroups = [ "wheel" ];
        hashedPasswordFile = config.sops.secrets.admin_password_hash.path;
      };
    };
    security.pam = {
      services = {
        su.requireWheel = true;
        su-l.requireWheel = true;
      };
      loginLimits = [
        {
          domain = "*";
          type = "-";
          item = "core";
          value = "0";
        }
      ];
    };

    boot = {
      kernel.sysctl = import ../lib/kernel.nix // {
        # A pipe to a program that fails is the one pattern with which the kernel writes no file at all.
        "kernel.core_pattern" = "|${pkgs.coreutils}/bin/false";
      };
      initrd.systemd.suppressedUnits = [
        "emergency.service"
        "emergency.target"
      ];
      tmp.cleanOnBoot = lib.mkDefault true;
      loader.grub.configurationLimit = lib.mkDefault 10;
    };
    systemd = {
      coredump.enable = false;
      # Nobody could type at its prompt before the network is up; a boot that goes on can be reached. boot.initrd
      # has the same for the first stage, which is systemd's too and does not follow this setting.
      enableEmergencyMode = false;
      services.clawdlets-swap = lib.mkIf (cfg.swap.sizeMiB != 0) {
        description = "Swap file";
        wantedBy = [ "multi-user.target" ];
        after = [ "sshd.service" ];
        path = [
          pkgs.gnugrep
          pkgs.gnused
          pkgs.util-linux
        ];
        environment = lib.mkIf (cfg.swap.sizeMiB != null) { SIZE_MIB = toString cfg.swap.sizeMiB; };
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          TimeoutStartSec = 600;
        };
        script = builtins.readFile ../host/swap.sh;
      };
    };

    # As drop-ins, since NixOS renames its options for these files now and then.
    environment.etc = {
      "systemd/journald.conf.d/50-clawdlets.conf".text = ''
        [Journal]
        Storage=persistent
        SystemMaxUse=1G
        SystemKeepFree=2G
        MaxRetentionSec=3month
      '';
      # Names are asked of resolvers only, not of whoever shares a network with the host.
      "systemd/resolved.conf.d/50-clawdlets.conf".text = ''
        [Resolve]
        LLMNR=no
        MulticastDNS=no
      '';
      "systemd/system.conf.d/50-clawdlets.conf".text = ''
        [Manager]
        DefaultLimitCORE=0
        RuntimeWatchdogSec=15s
        RebootWatchdogSec=30s
        KExecWatchdogSec=1m
      '';
    };

    # mkDefault: an operator's own value is no conflict where nothing depends on ours.
    time.timeZone = lib.mkDefault "UTC";
    services = {
      timesyncd.enable = lib.mkDefault true;
      resolved.enable = lib.mkDefault true;
    };

    nix = {
      settings = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
        # Whoever may talk to the daemon can have it fetch and build: not admin, whose key is not root, and no bot.
        allowed-users = [ "@wheel" ];
        trusted-users = [ "root" ];
        # On a small machine a build must leave something to the bots.
        max-jobs = lib.mkDefault 1;
        cores = lib.mkDefault 2;
        connect-timeout = lib.mkDefault 10;
        # Rather no build than a full disk.
        min-free = lib.mkDefault (1024 * 1024 * 1024);
        max-free = lib.mkDefault (4 * 1024 * 1024 * 1024);
      };
      gc = {
        automatic = lib.mkDefault true;
        dates = lib.mkDefault "weekly";
        options = lib.mkDefault "--delete-older-than 30d";
      };
    };

    documentation.enable = lib.mkDefault false;
    programs.command-not-found.enable = lib.mkDefault false;
    # It would be older than every state on a host that is installed now. Never changed on a living host.
    system.stateVersion = lib.mkDefault "26.05";
  };
}
