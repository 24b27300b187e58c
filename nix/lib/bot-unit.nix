# The systemd sandbox of one bot. Prompt injection can make a bot run any code, so it gets its own folder, the network that the
# egress policy allows, and nothing else of the host.
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
      # Commands that run before it, in the same sandbox.
      before ? [ ],
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
    import ./sandbox.nix {
      writable = [ (names.botStateDir name) ];
      # Keys, secrets and the state of activations. /run is hidden anyway.
      hidden = [
        "/var/lib/clawdlets"
        "/var/lib/sops-nix"
      ];
      mayCompile = nodeExecMem == "jit";
    }
    // {
      Type = "exec";
      User = names.botUser name;
      Group = names.botUser name;
      WorkingDirectory = names.botStateDir name;
      ExecStart = command;
      Restart = "always";
      RestartSec = 3;

      LoadCredential = map (secret: "${secret}:/run/secrets/${secret}") secrets;
      EnvironmentFile = environmentFiles;
    }
    // optional (before != [ ]) { ExecStartPre = before; }
    // optional (memoryMax != null) {
      MemoryMax = memoryMax;
      # Otherwise memory over the limit goes to the host's swap, which all units share.
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

  # Starts after the secrets, and restarts when they change (nix/host/receive-secrets.sh restarts the target).
  unitConfig = {
    After = [
      "network-online.target"
      "sops-install-secrets.service"
    ];
    Wants = [ "network-online.target" ];
    PartOf = [ "${names.secretsTarget}.target" ];
  };

  # The properties of a unit, NAME=value each, for another process in the same sandbox: systemd-run takes them.
  propertiesOf =
    settings:
    let
      # How the bot is started and kept alive.
      others = [
        "ExecStart"
        "ExecStartPre"
        "Restart"
        "RestartSec"
        "Type"
      ];
      shared = builtins.removeAttrs settings others;
    in
    builtins.concatMap (
      key: map (lineOf key) (if builtins.isList shared.${key} then shared.${key} else [ shared.${key} ])
    ) (builtins.attrNames shared);

  # The same as unit file text, for systemd-analyze without NixOS.
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
