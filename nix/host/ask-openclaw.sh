# Asks a bot's OpenClaw, for admin: which requests for pairing wait, and how its channels are; or approves one request. Run as root by sudo
# (nix/lib/sudo-commands.json). The bot can have written anything that OpenClaw reads, so it runs as the bot, in the sandbox of the bot's
# own unit and with its limits, for three minutes at most: someone who has taken over the bot gains nothing here.
#
# BOT, OPENCLAW (the program), PORT, PROPERTIES (a file, one of the unit's properties a line), VARIABLES (a file, NAME=value a line)
set -euo pipefail
export LC_ALL=C

refuse() {
  echo "usage: clawdlets-openclaw-$BOT channels | pairing-list CHANNEL | pairing-approve CHANNEL CODE" >&2
  exit 64
}
# sudo has checked this already. It is checked here too, because other rules may be written for root's programs.
channel() { [[ $1 =~ ^[a-z][a-z0-9-]{0,31}$ ]] || refuse; }

case "${1:-} $#" in
  "channels 1") words=(channels status --json --timeout 20000) ;;
  "pairing-list 2")
    channel "$2"
    words=(pairing list --channel "$2" --json)
    ;;
  "pairing-approve 3")
    channel "$2"
    [[ $3 =~ ^[A-HJ-NP-Z2-9]{8}$ ]] || refuse
    words=(pairing approve --channel "$2" "$3")
    ;;
  *) refuse ;;
esac

mapfile -t properties <"$PROPERTIES"
mapfile -t variables <"$VARIABLES"
# On disk, which the bot could fill anyway, and not in /run, which is memory. systemd opens the files before it changes the user.
answers=$(mktemp --directory /var/tmp/clawdlets-openclaw.XXXXXXXXXX)
trap 'rm -rf -- "$answers"' EXIT
status=0
# A oneshot: systemd-run returns when it has ended. With --wait or --pipe it would need D-Bus.
systemd-run --quiet --collect --service-type=oneshot --property=TimeoutStartSec=170 --property=StandardInput=null \
  --property="StandardOutput=file:$answers/answer" --property="StandardError=file:$answers/errors" \
  "${properties[@]/#/--property=}" "${variables[@]/#/--setenv=}" --setenv="OPENCLAW_GATEWAY_PORT=$PORT" \
  -- "$OPENCLAW" "${words[@]}" || status=1
for each in answer errors; do touch "$answers/$each"; done
head --bytes=20000 -- "$answers/errors" >&2
head --bytes=1000000 -- "$answers/answer"
exit "$status"
