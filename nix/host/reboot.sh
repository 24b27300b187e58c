#!/usr/bin/env bash
# Reboots into the kernel of the current system if another one runs, within the reboot window only. systemd starts it when the window
# opens; a timer that fires late, as after a pause of the machine, reboots nothing.
#
# START, MINUTES    when the window opens, HH:MM in the host's time zone, and for how long
# STATE             state of `clawdlets rebuild`: a host with an unconfirmed change is left alone, as its own deadline is running
# BOOTED, CURRENT   /run/booted-system and /run/current-system; PROFILE: what the next boot starts
set -euo pipefail
export LC_ALL=C
say() { printf 'clawdlets-reboot: %s\n' "$1" >&2; }

opened=$((10#${START%:*} * 60 + 10#${START#*:}))
now=${NOW:-$(date +%H:%M)}
minute=$((10#${now%:*} * 60 + 10#${now#*:}))
# A window may end after midnight.
(((minute - opened + 1440) % 1440 < MINUTES)) || {
  say "it is $now, outside the window"
  exit 0
}
differs=""
for part in kernel initrd kernel-modules; do
  [[ $(readlink -f "$BOOTED/$part") == "$(readlink -f "$CURRENT/$part")" ]] || differs+=" $part"
done
[[ -n $differs ]] || {
  say "the current kernel runs"
  exit 0
}
[[ $(readlink -f "$PROFILE") == "$(readlink -f "$CURRENT")" ]] || {
  say "the next boot would start another system than the current one; not rebooting"
  exit 1
}
if [[ -e $STATE ]] && ! grep -q '"phase": *"done"' "$STATE"; then
  say "a change is not confirmed yet; not rebooting"
  exit 0
fi
say "rebooting: another$differs is current"
exec systemctl reboot
