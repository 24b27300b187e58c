# Names, numbers and paths that several files share. Units, users and folders are named as in upstream (regenrek/clawdlets b49d4af),
# so that a host's state and an operator's habits carry over.
let
  text = import ./text.nix;
  ids = {
    # NixOS gives 1000 to 29999 to users without a number, 30001 to 30032 to nix builders; systemd's own range starts at 60001.
    first = 31000;
    count = 29000;
  };
in
rec {
  admin = "admin";
  breakglass = "breakglass";

  botUser = bot: "bot-${bot}";
  botUnit = bot: "clawdbot-${bot}"; # .service
  botStateDir = bot: "${stateDirBase}/${bot}";
  stateDirBase = "/srv/clawdbot";
  botWorkspace = bot: "${botStateDir bot}/workspace";

  # The uid of a bot, derived only from its name. It does not change when other bots come and go, so a bot keeps its files; and
  # firewall rules can use the number, which needs no existing user when they are checked. A collision of two names is refused
  # (bots.nix); the option `uid` resolves it.
  botUid =
    bot:
    ids.first
    + text.mod (text.fromHex (builtins.substring 0 8 (builtins.hashString "sha256" bot))) ids.count;

  # Where the bot's own server listens on loopback: from its number, below Linux's ports for outgoing connections (32768 and
  # up). Two can meet; that is refused (bots.nix), and the option `port` settles it.
  botPort = uid: 20000 + text.mod uid 12000;

  # A user name has at most 31 characters (nixpkgs, users-groups.nix), and "bot-" is four of them. The secret
  # discord_token_<bot> has a name of the same letters, and sops leaves what ends in _unencrypted in plain text.
  isBotName =
    bot:
    builtins.match "[a-z][a-z0-9_-]{0,26}" bot != null
    && bot != "sops"
    && builtins.match ".*_unencrypted" bot == null;
  botNameAllowed = ''at most 27 characters: a lowercase letter, then a-z, 0-9, "_" and "-"; not "sops", and not ending in "_unencrypted"'';

  proxyUser = "clawdlets-proxy";
  # A bot has a proxy of its own: that is how a refusal is known to be its. At an address made from its number, which no other bot has.
  proxyUnit = bot: "clawdlets-egress-proxy-${bot}"; # .service
  proxyAddress =
    uid:
    "127.${toString (64 + text.mod (uid / 65536) 64)}.${toString (text.mod (uid / 256) 256)}.${toString (text.mod uid 256)}";
  proxyUid = ids.first - 1;

  # Backups: restic runs as the first, and reaches its repository only through the second one's proxy.
  backupUser = "clawdlets-backup";
  backupUid = ids.first - 2;
  backupProxyUser = "clawdlets-backup-proxy"; # Also its unit, .service.
  backupProxyUid = ids.first - 3;
  backupProxyAddress = "127.63.0.1"; # Below those of the bots' proxies.
  backupProxyPort = 3128;
  backupStateDir = "/var/lib/clawdlets/backups"; # Its state.json is world-readable.
  restoreDir = "${stateDirBase}/.restore"; # No bot's name begins with a dot.

  # Hands to the nix daemon what `nix copy` sends.
  receiver = "clawdlets-copy";
  activationDir = "/var/lib/clawdlets/activation"; # Its state.json is world-readable.
  activationWatch = "clawdlets-activation-watch"; # .service and .timer

  tailnetUnit = "clawdlets-tailnet"; # .service and .timer
  tailnetStateFile = "/run/clawdlets-tailnet/state"; # World-readable.
  tailnetLock = "/run/clawdlets-locks/tailnet.lock";
  tailscaleState = "/var/lib/tailscale/tailscaled.state";
  tailscaleKeptState = "${tailscaleState}.kept"; # The former identity, until a rekey is settled.
  rekeyDir = "/var/lib/clawdlets/rekey"; # Its state.json is world-readable.
  rekeyWatch = "clawdlets-rekey-watch"; # .service and .timer

  installIdFile = "/var/lib/clawdlets/install-id";
  ageKeyFile = "/var/lib/sops-nix/key.txt";
  secretsDirOf = host: "/var/lib/clawdlets/secrets/hosts/${host}";
  hostKeyFile = "/etc/ssh/ssh_host_ed25519_key";
  secretsTarget = "clawdlets-secrets"; # .target: restarted when secrets change
}
