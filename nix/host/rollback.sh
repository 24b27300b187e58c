#!/usr/bin/env bash
# `clawdlets-rollback`: back to the generation before the present one. Run as root by `sudo -n`, and takes no argument, so
# that a sudoers rule can allow just this. What it goes back to has run on this host before.
# out   the store path of the system that runs now · exit  0 done · 1 refused or failed
set -euo pipefail

fail() {
  printf 'clawdlets-rollback: %s\n' "$1" >&2
  exit 1
}

[[ $# == 0 ]] || fail "refused, nothing changed: it takes no arguments"
profile=${PROFILE:-/nix/var/nix/profiles/system}
nix-env --profile "$profile" --rollback >&2 || fail "nothing changed: there is no earlier generation (nix-env said so above)"
"$profile/bin/switch-to-configuration" switch >&2 ||
  fail "the generation was chosen and will be booted, but switching to it failed; look at: systemctl --failed"
readlink -f "$profile"
