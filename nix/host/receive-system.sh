#!/usr/bin/env bash
# `clawdlets-receive-system`: the host's end of `nix copy`, which starts it as root by `sudo -n`, with --stdio and nothing else.
#
# Not root, but a user of its own talks to the nix daemon. The daemon does not trust that user, so it accepts a path only if a key
# in its trusted-public-keys has signed it, whatever the other end asks for (--no-check-sigs). As root, nix-daemon and nix-store
# --serve would accept everything.
set -euo pipefail
export LC_ALL=C HOME=/nonexistent
cd /

if [[ $# != 1 || $1 != --stdio ]]; then
  printf 'clawdlets-receive-system: %s\n' "code unknown-order" "refused, nothing changed: it takes --stdio and no other argument" >&2
  exit 1
fi
exec setpriv --reuid="$RECEIVER" --regid="$RECEIVER" --clear-groups --no-new-privs --inh-caps=-all nix-daemon --stdio
