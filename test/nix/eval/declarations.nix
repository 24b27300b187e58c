# The options of NixOS 26.05, disko and sops-nix that our modules set, with their names and types, and no others: what is not
# here does not exist for the tests. Each group names the file that declares it (nixpkgs' nixos/modules/, or the project).
{ lib, ... }:
let
  inherit (lib) types;
  option = type: lib.mkOption { inherit type; };
  withDefault = default: type: lib.mkOption { inherit default type; };
  sub = options: types.submodule { inherit options; };
  named =
    make:
    types.submodule (
      { name, ... }:
      {
        options = make name;
      }
    );
  null' = type: withDefault null (types.nullOr type);
  flag = withDefault false types.bool;
  list = type: withDefault [ ] (types.listOf type);
  set = type: withDefault { } (types.attrsOf type);
  atom = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
  ];

  # system/boot/systemd: unitOption is a string, boolean, number, path, or a list of those (lib/systemd-unit-options.nix).
  unitOption = types.either atom (types.listOf atom);
  unit = {
    description = withDefault "" types.str;
    wantedBy = list types.str;
    requiredBy = list types.str;
    after = list types.str;
    before = list types.str;
    wants = list types.str;
    requires = list types.str;
    bindsTo = list types.str;
    partOf = list types.str;
    unitConfig = set unitOption;
    restartTriggers = list types.anything;
    reloadTriggers = list types.anything;
  };
  service = unit // {
    environment = set (
      types.nullOr (
        types.oneOf [
          types.str
          types.path
          types.package
        ]
      )
    );
    path = list (
      types.oneOf [
        types.package
        types.str
      ]
    );
    serviceConfig = set unitOption;
    script = withDefault "" types.lines;
    preStart = withDefault "" types.lines;
    restartIfChanged = withDefault true types.bool;
    stopIfChanged = withDefault true types.bool;
    enable = withDefault true types.bool;
  };

  ports = {
    allowedTCPPorts = list types.port;
    allowedUDPPorts = list types.port;
  };
in
{
  options = {
    # misc/assertions.nix
    assertions = list (sub {
      assertion = option types.bool;
      message = option types.str;
    });
    warnings = list types.str;

    boot = {
      loader = {
        # system/boot/loader/grub/grub.nix
        grub = {
          enable = flag;
          efiSupport = flag;
          useOSProber = flag;
          configurationLimit = withDefault 100 types.int;
          device = withDefault "" types.str;
          devices = list types.str;
        };
        # system/boot/loader/systemd-boot/systemd-boot.nix, system/boot/loader/efi.nix
        systemd-boot = {
          enable = flag;
          editor = withDefault true types.bool;
          configurationLimit = null' types.int;
        };
        efi.canTouchEfiVariables = flag;
      };
      # system/boot/systemd/initrd.nix, system/boot/kernel.nix
      initrd = {
        systemd.suppressedUnits = list types.str;
        availableKernelModules = list types.str;
        kernelModules = list types.str;
      };
      # system/boot/kernel.nix, config/sysctl.nix, system/boot/tmp.nix
      kernelModules = list types.str;
      kernelParams = list types.str;
      kernel.sysctl = set (types.uniq (types.nullOr atom));
      tmp.cleanOnBoot = flag;
    };

    # disko: module.nix and lib/types: the parts of a GPT disk with one file system
    disko.devices = option (sub {
      disk = set (sub {
        device = option types.str;
        type = option (types.enum [ "disk" ]);
        content = option (sub {
          type = option (types.enum [ "gpt" ]);
          partitions = option (
            types.attrsOf (sub {
              size = option types.str;
              type = withDefault "8300" types.str;
              content = null' (sub {
                type = option (types.enum [ "filesystem" ]);
                format = option types.str;
                mountpoint = option types.str;
                mountOptions = withDefault [ "defaults" ] (types.listOf types.str);
              });
            })
          );
        });
      });
    });

    # misc/documentation.nix, programs/command-not-found/command-not-found.nix
    documentation.enable = withDefault true types.bool;
    programs.command-not-found.enable = withDefault true types.bool;

    environment = {
      # config/system-path.nix, system/etc/etc.nix
      systemPackages = list types.package;
      etc = set (sub {
        text = null' types.lines;
        source = null' types.path;
        mode = withDefault "symlink" types.str;
      });
    };

    # tasks/network-interfaces.nix, services/networking/{firewall,nftables}.nix
    networking = {
      hostName = option types.str;
      nameservers = list types.str;
      useDHCP = withDefault true types.bool;
      useNetworkd = flag;
      firewall = ports // {
        enable = withDefault true types.bool;
        allowPing = withDefault true types.bool;
        logRefusedConnections = flag;
        interfaces = set (sub ports);
        filterForward = flag;
        backend = withDefault "nftables" (
          types.enum [
            "iptables"
            "nftables"
            "firewalld"
          ]
        );
      };
      nftables = {
        enable = flag;
        flushRuleset = flag;
        checkRuleset = withDefault true types.bool;
        ruleset = withDefault "" types.lines;
        tables = set (
          named (name: {
            name = withDefault name types.str;
            enable = withDefault true types.bool;
            content = option types.lines;
            family = option (
              types.enum [
                "ip"
                "ip6"
                "inet"
                "arp"
                "bridge"
                "netdev"
              ]
            );
          })
        );
      };
    };

    # config/nix.nix, services/misc/nix-daemon.nix, services/misc/nix-gc.nix
    nix = {
      package = withDefault {
        type = "derivation";
        name = "nix";
        outPath = "/nix/store/00000000000000000000000000000000-nix";
      } types.package;
      settings = set (
        types.oneOf [
          atom
          (types.listOf types.str)
        ]
      );
      gc = {
        automatic = flag;
        dates = withDefault [ "03:15" ] (types.either types.str (types.listOf types.str));
        options = withDefault "" types.str;
      };
    };

    security = {
      # security/pam.nix
      pam.services = set (sub {
        requireWheel = flag;
      });
      pam.loginLimits = list (sub {
        domain = option types.str;
        type = option (
          types.enum [
            "-"
            "hard"
            "soft"
          ]
        );
        item = option types.str;
        value = option (
          types.oneOf [
            types.str
            types.int
          ]
        );
      });
      # security/sudo.nix
      sudo = {
        enable = withDefault true types.bool;
        wheelNeedsPassword = withDefault true types.bool;
        execWheelOnly = flag;
        extraConfig = withDefault "" types.lines;
        extraRules = list (sub {
          users = list (types.either types.str types.int);
          groups = list (types.either types.str types.int);
          host = withDefault "ALL" types.str;
          runAs = withDefault "ALL:ALL" types.str;
          commands = list (
            types.either types.str (sub {
              command = option types.str;
              options = list (
                types.enum [
                  "NOPASSWD"
                  "PASSWD"
                  "NOEXEC"
                  "EXEC"
                  "SETENV"
                  "NOSETENV"
                ]
              );
            })
          );
        });
      };
    };

    services = {
      # services/networking/ssh/sshd.nix: settings has these options, and any other key with a word or a number
      openssh = {
        enable = flag;
        package = withDefault (import ./pkgs.nix).openssh types.package;
        openFirewall = withDefault true types.bool;
        allowSFTP = withDefault true types.bool;
        authorizedKeysInHomedir = withDefault true types.bool;
        startWhenNeeded = flag;
        ports = withDefault [ 22 ] (types.listOf types.port);
        hostKeys = option (types.listOf (types.attrsOf types.anything));
        settings = option (sub {
          AllowUsers = null' (types.listOf types.str);
          PermitRootLogin = option (
            types.enum [
              "yes"
              "without-password"
              "prohibit-password"
              "forced-commands-only"
              "no"
            ]
          );
          PasswordAuthentication = withDefault true types.bool;
          KbdInteractiveAuthentication = withDefault true types.bool;
          LogLevel = option (
            types.enum [
              "QUIET"
              "FATAL"
              "ERROR"
              "INFO"
              "VERBOSE"
              "DEBUG"
            ]
          );
          UseDns = flag;
          X11Forwarding = flag;
          GatewayPorts = withDefault "no" types.str;
          KexAlgorithms = null' (types.listOf types.str);
          Ciphers = null' (types.listOf types.str);
          Macs = null' (types.listOf types.str);
          AuthenticationMethods = option types.str;
          MaxAuthTries = option types.int;
          LoginGraceTime = option types.int;
          ClientAliveInterval = option types.int;
          ClientAliveCountMax = option types.int;
          AllowTcpForwarding = option (types.either types.bool types.str);
          AllowStreamLocalForwarding = option types.bool;
          AllowAgentForwarding = option types.bool;
          PermitTunnel = option types.bool;
          PermitUserEnvironment = option types.bool;
        });
      };
      # services/networking/tailscale.nix
      tailscale = {
        enable = flag;
        package = withDefault (import ./pkgs.nix).tailscale types.package;
        openFirewall = flag;
        interfaceName = withDefault "tailscale0" types.str;
        authKeyFile = null' types.path;
        extraUpFlags = list types.str;
      };
      # system/boot/{timesyncd,resolved}.nix, virtualisation/qemu-guest-agent.nix
      resolved.enable = flag;
      timesyncd.enable = flag;
      qemuGuest.enable = flag;
    };

    # sops-nix: modules/sops/default.nix and modules/sops/templates/default.nix
    sops = {
      age = {
        keyFile = null' types.path;
        sshKeyPaths = lib.mkOption {
          type = types.listOf types.path;
          default = [ "/etc/ssh/ssh_host_ed25519_key" ];
        };
        generateKey = flag;
      };
      gnupg.sshKeyPaths = withDefault [ "/etc/ssh/ssh_host_rsa_key" ] (types.listOf types.path);
      validateSopsFiles = withDefault true types.bool;
      useSystemdActivation = flag;
      placeholder = lib.mkOption {
        type = types.attrsOf types.str;
        default = { };
      };
      secrets = set (
        types.submodule (
          { name, config, ... }:
          {
            options = {
              name = withDefault name types.str;
              sopsFile = option types.path;
              owner = null' types.str;
              group = null' types.str;
              mode = withDefault "0400" types.str;
              neededForUsers = flag;
              restartUnits = list types.str;
              path = withDefault (
                if config.neededForUsers then "/run/secrets-for-users/${name}" else "/run/secrets/${name}"
              ) types.str;
            };
          }
        )
      );
      templates = set (
        named (name: {
          name = withDefault name types.str;
          content = withDefault "" types.lines;
          owner = null' types.str;
          group = null' types.str;
          mode = withDefault "0400" types.str;
          path = withDefault "/run/secrets/rendered/${name}" types.str;
        })
      );
    };

    # misc/version.nix
    system.stateVersion = option types.str;
    system.configurationRevision = null' types.str;
    # system/activation/activation-script.nix
    system.activationScripts = set (sub {
      deps = list types.str;
      text = withDefault "" types.lines;
    });

    systemd = {
      # system/boot/systemd.nix, system/boot/systemd/{tmpfiles,coredump}.nix
      enableEmergencyMode = withDefault true types.bool;
      coredump.enable = withDefault true types.bool;
      tmpfiles.rules = list types.str;
      services = set (sub service);
      targets = set (sub unit);
      generators = set types.path;
      timers = set (sub (unit // { timerConfig = set unitOption; }));
      sockets = set (
        sub (
          unit
          // {
            listenStreams = list types.str;
            socketConfig = set unitOption;
          }
        )
      );
      # system/boot/networkd.nix
      network.wait-online.anyInterface = flag;
      network.networks = set (sub {
        matchConfig = set unitOption;
        networkConfig = set unitOption;
        dhcpV4Config = set unitOption;
        ipv6AcceptRAConfig = set unitOption;
        linkConfig = set unitOption;
        address = list types.str;
        routes = list (types.attrsOf unitOption);
      });
    };

    # config/swap.nix
    swapDevices = list (sub {
      device = option types.str;
      size = null' types.int;
    });

    # config/locale.nix
    time.timeZone = null' types.str;

    # config/users-groups.nix
    users = {
      mutableUsers = withDefault true types.bool;
      users = set (
        named (name: {
          name = withDefault name types.str;
          uid = null' types.int;
          isSystemUser = flag;
          isNormalUser = flag;
          description = withDefault "" types.str;
          group = withDefault "" types.str;
          extraGroups = list types.str;
          home = withDefault "/var/empty" types.path;
          createHome = flag;
          shell = null' (types.either types.package types.path);
          hashedPasswordFile = null' types.str;
          openssh.authorizedKeys.keys = list types.str;
        })
      );
      groups = set (sub {
        gid = null' types.int;
        members = list types.str;
      });
    };
  };
}
