# Backups: restic, in units of its own outside the bots' sandboxes. The user of these units may read files of every owner
# (CAP_DAC_READ_SEARCH), so each unit has one bot's folder in view and nothing else, and reaches the repository and nothing else
# (egress.nix). docs/backups.md.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets.backups;
  inherit (config.clawdlets) bots;
  names = import ../lib/names.nix;
  text = import ../lib/text.nix;
  backups = import ./backups/repository.nix;
  egress = import ../lib/egress;
  proxy = import ../lib/egress/proxy.nix;
  wrapper = import ../lib/wrapper.nix { inherit lib pkgs; };

  isOn = cfg.repository != null;
  repository = if isOn then backups.parse cfg.repository else null;
  isSound = repository != null && (repository.kind != "sftp" || cfg.hostKey != null);
  included = builtins.filter (name: bots.${name}.backup && !(builtins.elem name cfg.skip)) (
    builtins.attrNames bots
  );
  unknown = builtins.filter (name: !(bots ? ${name})) cfg.skip;

  keep = builtins.filter (each: each.count > 0) [
    {
      word = "daily";
      count = cfg.keep.daily;
    }
    {
      word = "weekly";
      count = cfg.keep.weekly;
    }
    {
      word = "monthly";
      count = cfg.keep.monthly;
    }
  ];
  # ssh's own notation of a host whose port is not 22.
  sshConfig = pkgs.writeText "clawdlets-backup-ssh-config" (
    text.lines [
      "Host clawdlets-repository"
      "  HostName ${repository.host}"
      "  Port ${toString repository.port}"
      "  User ${repository.user}"
      "  HostKeyAlias clawdlets-repository"
      "  UserKnownHostsFile ${pkgs.writeText "clawdlets-backup-known-hosts" "clawdlets-repository ${toString cfg.hostKey}\n"}"
      "  GlobalKnownHostsFile /dev/null"
      "  StrictHostKeyChecking yes"
      "  BatchMode yes"
      "  IdentitiesOnly yes"
      "  ServerAliveInterval 30"
      "  ProxyCommand ${pkgs.socat}/bin/socat - PROXY:${names.backupProxyAddress}:%h:%p,proxyport=${toString names.backupProxyPort}"
      ""
    ]
  );

  restic = wrapper {
    name = "clawdlets-restic";
    script = ../host/restic.sh;
    programs = [
      pkgs.bash
      pkgs.coreutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.openssh
      pkgs.restic
    ];
    environment = { };
  };
  # Of every unit in which it runs.
  settings = {
    REPOSITORY = cfg.repository;
    KIND = repository.kind;
    REGION = if cfg.region == null then "" else cfg.region;
    SSH_CONFIG = if repository.kind == "sftp" then "${sshConfig}" else "";
    HOST_NAME = config.clawdlets.hostName;
    FOLDERS = names.stateDirBase;
    EXCLUDES = "/etc/clawdlets/backup-excludes";
    KEEP = builtins.concatStringsSep " " (
      map ({ word, count }: "--keep-${word} ${toString count}") keep
    );
    CHECK_SUBSET = builtins.replaceStrings [ "%" ] [ "%%" ] cfg.checkSubset; # systemd expands %.
    PROXY = "${names.backupProxyAddress}:${toString names.backupProxyPort}";
    LIMIT_SECONDS = toString (cfg.hoursPerRun * 3600);
    LOCK_SECONDS = "1800";
    GOGC = "20"; # Memory rather than time: bots need it more.
    HOME = "/nonexistent";
  };
  backup = wrapper {
    name = "clawdlets-backup";
    script = ../host/backup.sh;
    programs = [
      pkgs.bash
      pkgs.coreutils
      pkgs.findutils
      pkgs.gnused
      pkgs.systemd
      pkgs.util-linux
    ];
    environment = {
      STATE_DIR = names.backupStateDir;
      BOTS = builtins.concatStringsSep " " included;
      BACKUP_USER = names.backupUser;
      BACKUP_SECONDS = toString (cfg.hoursPerRun * 3600 + 3600);
    };
  };

  # { name = file; } for LoadCredential.
  credentials = {
    s3.restic_s3 = config.sops.templates.clawdlets-backup-s3.path;
    rest.restic_rest = config.sops.templates.clawdlets-backup-rest.path;
    sftp.restic_ssh_key = "/run/secrets/restic_ssh_key";
  };
  loaded = {
    restic_password = "/run/secrets/restic_password";
  }
  // credentials.${repository.kind};

  # A unit in which restic runs. see: paths below /srv that it sees; may: capabilities.
  resticUnit =
    {
      description,
      command,
      see ? { },
      may ? [ ],
      output,
      environmentFile ? null,
      environment ? { },
    }:
    let
      sandbox = import ../lib/sandbox.nix {
        hidden = [
          "/etc/shadow"
          "/etc/ssh"
          "/var/lib"
        ];
      };
    in
    {
      inherit description;
      requires = [
        "nftables.service"
        "${names.backupProxyUser}.service"
      ];
      after = [
        "network-online.target"
        "nftables.service"
        "sops-install-secrets.service"
        "${names.backupProxyUser}.service"
      ];
      wants = [ "network-online.target" ];
      # A switch of the system ends no backup.
      restartIfChanged = false;
      stopIfChanged = false;
      environment =
        settings
        // {
          HTTPS_PROXY = "http://${names.backupProxyAddress}:${toString names.backupProxyPort}";
        }
        // environment;
      serviceConfig =
        sandbox
        // see
        // {
          Type = "oneshot";
          ExecStart = "${restic}/bin/clawdlets-restic ${command}";
          User = names.backupUser;
          Group = names.backupUser;
          LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") loaded;
          StandardOutput = "truncate:/run/clawdlets-backups/${output}.out";
          TimeoutStartSec = cfg.hoursPerRun * 3600 + 1800;
          CacheDirectory = "clawdlets-backup";
          CacheDirectoryMode = "0700";
          # Other owners' files exist only in the host's own user namespace.
          PrivateUsers = false;
          # NixOS writes no line for an empty list, and without one every capability stays.
          CapabilityBoundingSet = builtins.concatStringsSep " " may;
          AmbientCapabilities = builtins.concatStringsSep " " may;
          TemporaryFileSystem = sandbox.TemporaryFileSystem ++ [ "/srv:ro" ];

          # Bots come first.
          Nice = 15;
          IOSchedulingClass = "idle";
          CPUWeight = 20;
          IOWeight = 20;
          MemoryHigh = "768M";
          MemoryMax = "1G";
          MemorySwapMax = 0;
          TasksMax = 256;
          OOMScoreAdjust = 500;
        }
        // (if environmentFile == null then { } else { EnvironmentFile = environmentFile; });
    };
  rootUnit = description: command: more: {
    inherit description;
    restartIfChanged = false;
    stopIfChanged = false;
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${backup}/bin/clawdlets-backup ${command}";
      Nice = 10;
      PrivateTmp = true;
      ProtectHome = true;
      NoNewPrivileges = true;
      ProtectKernelModules = true;
      ProtectKernelTunables = true;
      RestrictAddressFamilies = [ "AF_UNIX" ];
      ProtectSystem = "strict";
      ReadWritePaths = [
        "/run"
        "/var/lib/clawdlets"
        names.stateDirBase
      ];
    }
    // more;
  };
  timer = schedule: delay: {
    description = "Backups, on schedule";
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnCalendar = schedule;
      RandomizedDelaySec = delay;
      # After the host was off.
      Persistent = true;
    };
  };
in
{
  options.clawdlets.backups = import ./backups/options.nix { inherit lib backups; };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = !isOn || repository != null;
          message = ''clawdlets.backups.repository is "${toString cfg.repository}"; allowed: ${backups.allowed}.'';
        }
        {
          assertion =
            repository == null
            || repository.kind != "sftp"
            || (
              cfg.hostKey != null
              && builtins.match "ssh-(ed25519|rsa) [A-Za-z0-9+/=]+( [^\n]*)?|ecdsa-[a-z0-9-]+ [A-Za-z0-9+/=]+( [^\n]*)?" cfg.hostKey
                != null
            );
          message = "clawdlets.backups.hostKey is not an ssh host key, which an sftp repository requires. Ask the server's owner for it, or: ssh-keyscan -p ${
            toString (if repository == null then 22 else repository.port)
          } HOST";
        }
        {
          assertion = unknown == [ ];
          message = "clawdlets.backups.skip names ${builtins.toJSON unknown}; allowed are the names in clawdlets.bots: ${builtins.toJSON (builtins.attrNames bots)}.";
        }
        {
          assertion = cfg.region == null || builtins.match "[a-z0-9-]{1,40}" cfg.region != null;
          message = ''clawdlets.backups.region is "${toString cfg.region}"; allowed: a region, e.g. "nbg1".'';
        }
        {
          assertion = builtins.match "[0-9]{1,3}(\\.[0-9]+)?%|[0-9]+[KMGT]|[0-9]+/[0-9]+" cfg.checkSubset != null;
          message = ''clawdlets.backups.checkSubset is "${cfg.checkSubset}"; allowed: e.g. "5%", "100%", "2G".'';
        }
        {
          assertion = cfg.hoursPerRun > 0 && cfg.hoursPerRun <= 48;
          message = "clawdlets.backups.hoursPerRun is ${toString cfg.hoursPerRun}; allowed: 1 to 48.";
        }
        {
          assertion = builtins.all (pattern: builtins.match "[^\n]+" pattern != null) cfg.exclude;
          message = "clawdlets.backups.exclude has an empty pattern, or one with a line break. Remove it.";
        }
      ];
    }
    (lib.mkIf isSound {
      users.users.${names.backupUser} = {
        isSystemUser = true;
        uid = names.backupUid;
        group = names.backupUser;
      };
      users.groups.${names.backupUser}.gid = names.backupUid;
      users.users.${names.backupProxyUser} = {
        isSystemUser = true;
        uid = names.backupProxyUid;
        group = names.backupProxyUser;
      };
      users.groups.${names.backupProxyUser}.gid = names.backupProxyUid;

      # Files, as variables can be read for as long as a process runs.
      sops.templates = lib.mkMerge [
        (lib.mkIf (repository.kind == "s3") {
          clawdlets-backup-s3 = {
            owner = "root";
            group = "root";
            mode = "0400";
            content = text.lines [
              "[default]"
              "aws_access_key_id=${config.sops.placeholder.restic_s3_access_key}"
              "aws_secret_access_key=${config.sops.placeholder.restic_s3_secret_key}"
              ""
            ];
          };
        })
        (lib.mkIf (repository.kind == "rest") {
          clawdlets-backup-rest = {
            owner = "root";
            group = "root";
            mode = "0400";
            content = "rest:https://${config.sops.placeholder.restic_rest_login}@${
              builtins.substring (builtins.stringLength "rest:https://") (-1) cfg.repository
            }\n";
          };
        })
      ];

      environment = {
        systemPackages = [ backup ];
        etc = {
          "clawdlets/backup-excludes".text = text.lines (cfg.exclude ++ [ "" ]);
          "clawdlets/backup-proxy/filter".text = proxy.onlyTo { inherit (repository) host port; };
          "clawdlets/backup-proxy/tinyproxy.conf".text = proxy.config {
            address = names.backupProxyAddress;
            port = names.backupProxyPort;
            connectPort = repository.port;
            filterFile = "/etc/clawdlets/backup-proxy/filter";
          };
        };
      };

      systemd = {
        tmpfiles.rules = [
          "d ${names.backupStateDir} 0755 root root - -"
          "d /run/clawdlets-backups 0700 root root - -"
        ];
        services = {
          ${names.backupProxyUser} = {
            description = "Egress proxy of backups";
            requires = [ "nftables.service" ];
            after = [
              "network-online.target"
              "nftables.service"
            ];
            wants = [ "network-online.target" ];
            # Runs only while a backup does.
            unitConfig.StopWhenUnneeded = true;
            serviceConfig =
              egress.units.proxy {
                inherit (config.clawdlets.egress.proxy) resolvers;
                allowed = cfg.addresses ++ lib.optional repository.isAddress repository.host;
              }
              // {
                ExecStart = "${pkgs.tinyproxy}/bin/tinyproxy -d -c /etc/clawdlets/backup-proxy/tinyproxy.conf";
                User = names.backupProxyUser;
                Group = names.backupProxyUser;
                Restart = "on-failure";
                RestartSec = 2;
              };
          };
          "clawdlets-backup@" = resticUnit {
            description = "Backup of the bot %i";
            command = "backup %i";
            output = "%i";
            see.BindReadOnlyPaths =
              (import ../lib/sandbox.nix { }).BindReadOnlyPaths
              ++ [ "${names.stateDirBase}/%i" ];
            may = [ "CAP_DAC_READ_SEARCH" ];
            environmentFile = "/run/clawdlets-backups/%i.env";
          };
          "clawdlets-backup-repository@" = resticUnit {
            description = "Backups: %i";
            command = "%i";
            output = "%i";
          };
          "clawdlets-restore@" =
            let
              unit = resticUnit {
                description = "Files of the bot %i from its backup";
                command = "restore %i";
                output = "%i.restore";
                see.BindPaths = [ "${names.restoreDir}/%i" ];
                # Owners, modes and times of the bot's files.
                may = [
                  "CAP_CHOWN"
                  "CAP_DAC_OVERRIDE"
                  "CAP_FOWNER"
                  "CAP_FSETID"
                ];
                environmentFile = "/run/clawdlets-backups/%i.restore.env";
                environment.TARGET = "${names.restoreDir}/%i";
              };
            in
            unit
            // {
              serviceConfig = unit.serviceConfig // {
                SystemCallFilter = unit.serviceConfig.SystemCallFilter ++ [ "@chown" ];
              };
            };
          clawdlets-backup = rootUnit "Backup of all bots" "run" { };
          clawdlets-backup-check = rootUnit "Check of the backups' repository" "run-check" { };
          # At boot too: it finishes what a power cut has interrupted.
          clawdlets-restore =
            rootUnit "Restore of a bot from its backup" "run-restore" {
              Restart = "on-failure";
              RestartSec = 10;
            }
            // {
              wantedBy = [ "multi-user.target" ];
            };
        };
        timers = {
          clawdlets-backup = timer cfg.schedule cfg.randomDelay;
          clawdlets-backup-check = timer cfg.checkSchedule cfg.randomDelay;
        };
      };
    })
  ];
}
