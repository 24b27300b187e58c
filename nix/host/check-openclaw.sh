# Checks a bot's configuration with the OpenClaw that will run it, when the host's system is built: CONFIG by the program OPENCLAW. Copies
# it to $out if it is valid. REFERENCES are the variables that it refers to: their values are on the host alone, and any text does here.
# PLUGINS is a JSON list of folders, which the copy names in plugins.load.paths; without any, the copy is the same file.
set -euo pipefail

for name in $REFERENCES; do
  export "$name=a-text-that-stands-for-$name"
done
export HOME="$TMPDIR" OPENCLAW_STATE_DIR="$TMPDIR/state" OPENCLAW_CONFIG_PATH="$CONFIG" OPENCLAW_NIX_MODE=1 OPENCLAW_OFFLINE=1
if [ "$PLUGINS" != "[]" ]; then
  export OPENCLAW_CONFIG_PATH="$TMPDIR/openclaw.json"
  # Its own writer keeps references as they are. It refuses to write in Nix mode, and notes when it wrote.
  install -m 600 "$CONFIG" "$TMPDIR/openclaw.json"
  OPENCLAW_NIX_MODE=0 "$OPENCLAW" config set plugins.load.paths "$PLUGINS" --json >&2
  "$JQ" 'del(.meta.lastTouchedAt, .meta.lastTouchedVersion) | if .meta == {} then del(.meta) else . end' \
    "$TMPDIR/openclaw.json" >"$TMPDIR/written.json"
  mv "$TMPDIR/written.json" "$TMPDIR/openclaw.json"
fi
if [ "$CHECK" = 1 ] && ! "$OPENCLAW" config validate --json >"$TMPDIR/report.json"; then
  cat "$TMPDIR/report.json" >&2
  echo "bots/$BOT/openclaw.json is not valid for the OpenClaw that would run it; see issues above." >&2
  echo "If this is wrong, set clawdlets.bots.$BOT.openclaw.check = false." >&2
  exit 1
fi
cp "$OPENCLAW_CONFIG_PATH" "$out"
