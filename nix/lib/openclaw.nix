# How OpenClaw is run, so that what keeps the host safe does not depend on openclaw.json: flags win over the file, and the
# environment over both for its paths (2026.9.6). test/nix/bots/openclaw.test.ts runs the real program with it.
let
  names = import ./names.nix;
in
{
  # Of the schema that `clawdlets bot lint` carries: core/project/bots/schema/openclaw.json.
  schemaVersion = "2026.9.6";

  # Listens on loopback alone, and answers only who has the token, which is in the environment.
  command =
    port: "openclaw gateway --port ${toString port} --bind loopback --auth token --tailscale off";

  # config: path of openclaw.json in the store, which everyone on the host can read: it refers to secrets and holds none.
  environment =
    { name, config }:
    {
      OPENCLAW_CONFIG_PATH = config;
      OPENCLAW_STATE_DIR = "${names.botStateDir name}/.openclaw";
      OPENCLAW_WORKSPACE_DIR = names.botWorkspace name;
      # Does not install or update itself, and takes its configuration as read-only.
      OPENCLAW_NIX_MODE = "1";
      # Downloads no helper programs.
      OPENCLAW_OFFLINE = "1";
      # Announces nothing by mDNS.
      OPENCLAW_DISABLE_BONJOUR = "1";
    };
}
