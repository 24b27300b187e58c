# The systemd sandbox of one bot. A bot runs code that its language model was talked into, so it gets its own folder, the
# network as the egress policy leaves it, and nothing else of the host.
let
  text = import ./text.nix;
  names = import ./names.nix;

  optional = condition: value: if condition then value else { };

  words = value: if builtins.isBool value then (if value then "yes" else "no") else toString value;
  lineOf = key: value: "${key}=${words value}";
in
rec {
  serviceConfig =
    {
      name,
      command,
      secrets ? [ ],
      # Files of NAME=value lines, read by systemd as root.
      environmentFiles ? [ ],
      memoryMax ? "4G",
      cpuQuota ? "200%",
      tasksMax ? 4096,
      ioWeight ? null,
      # "jit" or "jitless": a just-in-time compiler, V8's for one, needs memory that is written and then run.
      nodeExecMem ? "jit",
    }:
    {
      Type = "exec";
      User = names.botUser name;
      Group = names.botUser name;
      WorkingDirectory = names.botStateDir name;
      ExecStart = command;
      Restart = "always";
      RestartSec = 3;

      LoadCredential = map (secret: "${secret}:/run/secrets/${secret}") secrets;
      EnvironmentFile = environmentFiles;

      # Of the file system it may write to one folder. Sockets and keys of the host are not even seen.
      ProtectSystem = "strict";
      ReadWritePaths = [ (names.botStateDir name) ];
      ProtectHome = true;
      PrivateTmp = true;
      UMask = "0077";
      InaccessiblePaths = [
        "-/run/secrets"
        "-/run/secrets.d"
        "-/run/secrets-for-users"
        "-/run/secrets-for-users.d"
        "-/var/lib/sops-nix"
        "-/var/lib/clawdlets/secrets"
        "-/boot"
        # Whoever talks to the Nix daemon can have it fetch from anywhere, past the egress policy.
        "-/nix/var/nix/daemon-socket"
        "-/run/dbus"
        "-/run/systemd/private"
        "-/run/tailscale"
      ];

      PrivateDevices = true;
      DevicePolicy = "closed";
      PrivateUsers = true;
      PrivateIPC = true;
      PrivateMounts = true;
      ProtectProc = "invisible";
      ProtectClock = true;
      ProtectControlGroups = true;
      ProtectHostname = true;
      ProtectKernelLogs = true;
      ProtectKernelModules = true;
      ProtectKernelTunables = true;
      KeyringMode = "private";
      RemoveIPC = true;

      NoNewPrivileges = true;
      CapabilityBoundingSet = "";
      AmbientCapabilities = "";
      RestrictSUIDSGID = true;
      RestrictNamespaces = true;
      RestrictRealtime = true;
      LockPersonality = true;
      MemoryDenyWriteExecute = nodeExecMem == "jitless";
      SystemCallArchitectures = "native";
      SystemCallFilter = [
        "@system-service"
        "~@privileged @resources"
      ];
      SystemCallErrorNumber = "EPERM";
      # AF_NETLINK: getifaddrs(3), which Node uses.
      RestrictAddressFamilies = [
        "AF_INET"
        "AF_INET6"
        "AF_NETLINK"
        "AF_UNIX"
      ];

      LimitCORE = 0;
    }
    // optional (memoryMax != null) {
      MemoryMax = memoryMax;
      # Otherwise what is over the limit goes to the host's swap, which is everybody's.
      MemorySwapMax = 0;
    }
    // optional (cpuQuota != null) { CPUQuota = cpuQuota; }
    // optional (tasksMax != null) { TasksMax = tasksMax; }
    // optional (ioWeight != null) { IOWeight = ioWeight; };

  environment =
    {
      name,
      environment ? { },
      nodeExecMem ? "jit",
      ...
    }:
    {
      HOME = names.botStateDir name;
    }
    // optional (nodeExecMem == "jitless") { NODE_OPTIONS = "--jitless"; }
    // environment;

  # Secrets first; and again when they have changed (nix/host/receive-secrets.sh restarts the target).
  unitConfig = {
    After = [
      "network-online.target"
      "sops-install-secrets.service"
    ];
    Wants = [ "network-online.target" ];
    PartOf = [ "${names.secretsTarget}.target" ];
  };

  # The same as a unit's text, for systemd-analyze where there is no NixOS.
  file =
    settings:
    let
      section =
        entries:
        builtins.concatLists (
          map (
            key:
            let
              value = entries.${key};
            in
            map (lineOf key) (if builtins.isList value then value else [ value ])
          ) (builtins.attrNames entries)
        );
      variables = environment settings;
      settingsOfService = builtins.removeAttrs settings [ "environment" ];
    in
    text.lines (
      [
        "[Unit]"
        "Description=Bot ${settings.name}"
      ]
      ++ section unitConfig
      ++ [ "[Service]" ]
      ++ map (key: "Environment=${text.quoted "${key}=${variables.${key}}"}") (
        builtins.attrNames variables
      )
      ++ section (serviceConfig settingsOfService)
      ++ [ "" ]
    );
}
