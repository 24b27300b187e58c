# The names, numbers and paths that more than one file has to agree on. Units, users and folders are called as upstream
# called them (regenrek/clawdlets b49d4af), so that a host's state and an operator's habits carry over.
let
  text = import ./text.nix;
  ids = {
    # 1000 to 29999 is what NixOS gives to users without a number, 30001 to 30032 the nix builders, 60001 begins systemd's own.
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

  # The number of a bot's user, from its name alone: it stays when other bots come and go, so that the files in its state
  # folder stay its own, and firewall rules can be by number, which needs no user to exist when they are checked. Two names can
  # meet on one number; that is refused (bots.nix), and the option `uid` settles it.
  botUid =
    bot:
    ids.first
    + text.mod (text.fromHex (builtins.substring 0 8 (builtins.hashString "sha256" bot))) ids.count;

  # A user name has at most 31 characters (nixpkgs, users-groups.nix), and "bot-" is four of them. The secret
  # discord_token_<bot> has a name of the same letters.
  isBotName = bot: builtins.match "[a-z][a-z0-9_-]{0,26}" bot != null;
  botNameAllowed = ''a small letter, then up to 26 of a-z, 0-9, "_" and "-"'';

  proxyUser = "clawdlets-proxy";
  proxyUnit = "clawdlets-egress-proxy"; # .service
  proxyUid = ids.first - 1;

  activationDir = "/var/lib/clawdlets/activation"; # state.json in it is for everybody.
  activationWatch = "clawdlets-activation-watch"; # .service and .timer

  installIdFile = "/var/lib/clawdlets/install-id";
  ageKeyFile = "/var/lib/sops-nix/key.txt";
  secretsDirOf = host: "/var/lib/clawdlets/secrets/hosts/${host}";
  hostKeyFile = "/etc/ssh/ssh_host_ed25519_key";
  secretsTarget = "clawdlets-secrets"; # .target: what runs again when secrets have changed
}
