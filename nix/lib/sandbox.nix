# The systemd sandbox of an untrusted unit: bots, and the proxy that parses what they send.
{
  # Absolute paths that it may write to.
  writable ? [ ],
  # Absolute paths that are hidden, in addition to those below.
  hidden ? [ ],
  # Memory that is both written and executed (W^X), which a JIT compiler needs.
  mayCompile ? false,
}:
{
  ProtectSystem = "strict";
  ReadWritePaths = writable;
  ProtectHome = true;
  PrivateTmp = true;
  UMask = "0077";
  # All it sees of /run. It could flock any file it can open there (a read-only descriptor is enough), and mount,
  # switch-to-configuration and login wait for locks in /run, or give up.
  TemporaryFileSystem = [
    "/run:ro"
    # PrivateIPC leaves the host's /dev/shm, where two bots would meet. What is in here counts as the unit's memory.
    "/dev/shm:mode=1777,nosuid,nodev"
  ];
  BindReadOnlyPaths = map (path: "-${path}") [
    "/run/current-system"
    "/run/nscd"
    "/run/systemd/journal"
    "/run/systemd/resolve"
  ];
  # "-": not every host has all of them.
  InaccessiblePaths = map (path: "-${path}") (
    [
      "/boot"
      # The nix daemon's socket: it fetches from anywhere, past the egress policy. The database: a reader can lock it.
      "/nix/var"
      "/var/log"
    ]
    ++ hidden
  );

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
  # Not RestrictSUIDSGID: it answers every openat2() with ENOSYS, since seccomp cannot read the mode there, and programs that
  # open files safely below a folder (OpenClaw's lock) need that call. A setuid file that the unit makes gains it nothing: it
  # runs as the unit's own user, NoNewPrivileges holds, and the folder above it is closed to others.
  RestrictNamespaces = true;
  RestrictRealtime = true;
  LockPersonality = true;
  MemoryDenyWriteExecute = !mayCompile;
  SystemCallArchitectures = "native";
  SystemCallFilter = [
    "@system-service"
    # io_uring is in @system-service, and opens sockets (IORING_OP_SOCKET) past RestrictAddressFamilies.
    "~@privileged @resources io_uring_enter io_uring_register io_uring_setup"
  ];
  SystemCallErrorNumber = "EPERM";
  # AF_UNIX: glibc asks the name service cache. AF_NETLINK: it asks which addresses the host has (getifaddrs, AI_ADDRCONFIG).
  RestrictAddressFamilies = [
    "AF_INET"
    "AF_INET6"
    "AF_NETLINK"
    "AF_UNIX"
  ];
  LimitCORE = 0;
}
