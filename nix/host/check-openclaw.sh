# Checks a bot's configuration with the OpenClaw that will run it, when the host's system is built: CONFIG by the program OPENCLAW. Copies
# it to $out if it is valid. REFERENCES are the variables that it refers to: their values are on the host alone, and any text does here.
set -euo pipefail

for name in $REFERENCES; do
  export "$name=a-text-that-stands-for-$name"
done
export HOME="$TMPDIR" OPENCLAW_STATE_DIR="$TMPDIR/state" OPENCLAW_CONFIG_PATH="$CONFIG" OPENCLAW_NIX_MODE=1 OPENCLAW_OFFLINE=1
if ! "$OPENCLAW" config validate --json >"$TMPDIR/report.json"; then
  cat "$TMPDIR/report.json" >&2
  echo "bots/$BOT/openclaw.json is not valid for the OpenClaw that would run it; see issues above." >&2
  echo "If this is wrong, set clawdlets.bots.$BOT.openclaw.check = false." >&2
  exit 1
fi
cp "$CONFIG" "$out"
