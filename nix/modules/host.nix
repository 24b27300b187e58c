# Basics of every host: its name, immutable users, kernel hardening, bounded logs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  firewall = import ../lib/firewall.nix {
    publicSsh = cfg.publicSsh.enable;
    tailnet = cfg.tailnet.mode;
  };
  swapFile = "/var/lib/swapfile";
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
        The host's name: the name of its stack, its name in the tailnet and the name of its secrets folder.
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
      description = "For a first boot at the console: allows a host that cannot be reached over SSH yet.";
    };

    swap.sizeMiB = lib.mkOption {
      type = lib.types.nullOr lib.types.int;
      default = null;
      example = 4096;
      description = ''
        Size of the swap file /var/lib/swapfile in MiB; 0 for none. null: the size of the memory, but at most a tenth of the disk and
        16 GiB. It is created after the boot, so that nothing waits for it. Decrypted secrets are in ramfs, which is never swapped;
        neither is a bot's memory (MemorySwapMax=0), unless it has no memory limit.
      '';
    };
  };

  config = {
    assertions = [
      {
        assertion = builtins.match "[a-z]([a-z0-9-]{0,61}[a-z0-9])?" cfg.hostName != null;
        message = ''clawdlets.hostName is "${cfg.hostName}"; allowed: a lowercase letter, then up to 62 of a-z, 0-9 and "-", not ending in "-". Set it to the name of the host's stack.'';
      }
      {
        assertion =
          cfg.tailnet.mode != "tailscale"
          || cfg.publicSsh.enable
          || config.services.tailscale.interfaceName == "tailscale0";
        message = ''services.tailscale.interfaceName is "${config.services.tailscale.interfaceName}", but port 22 is open on tailscale0 only. Remove it.'';
      }
      {
        # services.firewalld.enable changes it, and then nothing is left of the rules that are declared here.
        assertion = config.networking.firewall.backend == "nftables";
        message = ''networking.firewall.backend is "${config.networking.firewall.backend}", so the host would be without its firewall rules; allowed: "nftables". Remove services.firewalld.enable or networking.firewall.backend.'';
      }
      {
        # Both would create it, each with its own size.
        assertion =
          cfg.swap.sizeMiB == 0 || builtins.all ({ device, ... }: device != swapFile) config.swapDevices;
        message = "swapDevices has ${swapFile}, the file of clawdlets.swap. Remove it and set its size with clawdlets.swap.sizeMiB, or set that to 0.";
      }
    ];

    networking = {
      inherit (cfg) hostName;
      # mkDefault: otherwise an operator's own would be added to ours.
      nameservers = lib.mkDefault cfg.nameservers;
      firewall = firewall // {
        allowPing = lib.mkDefault firewall.allowPing;
        logRefusedConnections = lib.mkDefault firewall.logRefusedConnections;
      };
      # nftables: the egress policy's table is separate from the firewall's, and reloading one keeps the other.
      nftables = {
        enable = true;
        # nixpkgs enables it if a ruleset is set, and a reload would then delete the egress policy's table.
        flushRuleset = false;
      };
    };

    users = {
      # Users that are not in the configuration disappear at the next boot, and only `clawdlets secrets` changes passwords.
      mutableUsers = false;
      # For the console, with the admin's password: sshd accepts only admin, and `su` only members of wheel.
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
        # Core dumps off: a pipe to a failing program is the only pattern with which the kernel writes no file at all.
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
      # No emergency prompt: nobody can type at it, while a boot that continues can be reached over SSH. boot.initrd has the same
      # setting for stage 1, which does not follow this one.
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
      # LLMNR and mDNS off: they let any machine on the network answer for a name (LLMNR poisoning).
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

    # mkDefault: lets an operator set another value; nothing depends on ours.
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
        # Users of the nix daemon can make it fetch and build. Neither admin, whose key is not root, nor a bot is one.
        allowed-users = [ "@wheel" ];
        trusted-users = [ "root" ];
        # On a small machine, a build must leave memory and CPU to the bots.
        max-jobs = lib.mkDefault 1;
        cores = lib.mkDefault 2;
        connect-timeout = lib.mkDefault 10;
        # A failed build is better than a full disk.
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
    # Never change it on a running host.
    system.stateVersion = lib.mkDefault "26.05";
  };
}
