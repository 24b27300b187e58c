#!/usr/bin/env bash
# Joins the tailnet and sets Tailscale SSH as declared, in the unit clawdlets-tailnet. systemd runs it at boot, at each switch and every
# ten minutes, and repeats it with growing pauses when it fails: the control server may be down at the first boot, and a key that is
# spent or expired is replaced later (`clawdlets secrets sync`). A host that is in the tailnet stays in it, whatever its key is by now.
#
# AUTH_KEY_FILE   file with the auth key; empty: none, a person logs in at the console. Only the path is on the command line, as every
#                 local user can read command lines in /proc, and `tailscale up` prints them to the journal.
#                 It may say that keys are minted (core/project/secrets/plan.ts, mintedMark): then none is left from the installation.
# SSH             true or false
# STATE_FILE      what came of it, one line that everyone may read: "joined", or "not joined: " and the reason
# LOGIN_SERVER    control server other than Tailscale's; may be empty
# TAGS            tags to request, tag:a,tag:b; may be empty
# UP_FLAGS        further flags for `tailscale up`, one a line; may be empty
# LOCK_FILE       held meanwhile, so that it and `clawdlets-rekey` never work at once; empty: the caller holds it
# KEPT_STATE      there while a rekey is not settled: which identity the host has then is not for this to change
set -euo pipefail
export LC_ALL=C
seconds=${JOIN_SECONDS:-60}
mapfile -t flags < <(printf '%s' "$UP_FLAGS")

say() {
  printf '%s\n' "$1" >"$STATE_FILE.new"
  chmod 0644 "$STATE_FILE.new"
  mv -- "$STATE_FILE.new" "$STATE_FILE"
  printf 'clawdlets-tailnet: %s\n' "$1" >&2
}
# Tailscale quotes parts of keys in some of its errors.
masked() { sed -E 's/\b[th]skey-[A-Za-z0-9_-]+/(key)/g'; }
fail() {
  say "not joined: $1"
  exit 1
}

# Running, Stopped, NeedsLogin, NeedsMachineAuth; Starting and NoState end in one of them, unless the control server is down.
state() { timeout 20 tailscale status --json --peers=false 2>/dev/null | sed -nE 's/^  "BackendState": "([A-Za-z]+)",?$/\1/p'; }
settled() {
  local deadline=$((SECONDS + seconds)) seen
  while :; do
    seen=$(state) || seen=""
    [[ $seen =~ ^(|NoState|Starting)$ ]] && ((SECONDS < deadline)) || break
    sleep 1
  done
  printf '%s' "$seen"
}

# With --reset, what is not mentioned has its default; otherwise tailscale refuses, and prints the whole command.
join() {
  local out
  out=$(timeout --kill-after=10 $((seconds + 30)) tailscale up --reset --timeout="${seconds}s" --ssh="$SSH" \
    ${LOGIN_SERVER:+--login-server="$LOGIN_SERVER"} ${TAGS:+--advertise-tags="$TAGS"} "${flags[@]}" "$@" 2>&1) && return
  out=$(printf '%s' "$out" | grep -v '^[[:space:]]*$' | tail -n 1 | masked) || out="tailscale up said nothing"
  [[ $out != timeout\ waiting* ]] || out="no login within $seconds s; does the control server answer?"
  fail "$out"
}
# Also where there is a mark in its place.
require_key() {
  [[ -s $AUTH_KEY_FILE ]] || fail "there is no key in $AUTH_KEY_FILE; check the unit sops-install-secrets"
  [[ $(<"$AUTH_KEY_FILE") != minted-for-each-installation ]] ||
    fail "its auth key was for the installation alone; send a new one: clawdlets secrets edit tailscale_auth_key"
}

if [[ -n $LOCK_FILE ]]; then
  install --directory --mode=0700 -- "${LOCK_FILE%/*}"
  exec 9>>"$LOCK_FILE"
  if ! flock --wait 5 9 || [[ -e $KEPT_STATE ]]; then
    printf 'clawdlets-tailnet: a rekey is under way, which starts this again when it ends\n' >&2
    exit 0
  fi
fi
found=$(settled)
case $found in
  Running) ;;
  # It has a node key: the auth key is not used up for this.
  Stopped) join ;;
  NeedsLogin)
    [[ -n $AUTH_KEY_FILE ]] || {
      say "not joined: no auth key is declared; at the console: sudo tailscale up --reset${LOGIN_SERVER:+ --login-server=$LOGIN_SERVER}"
      exit 0
    }
    require_key
    join --auth-key="file:$AUTH_KEY_FILE"
    ;;
  NeedsMachineAuth) fail "waiting for approval in the tailnet's admin console" ;;
  "") fail "tailscaled does not answer" ;;
  *) fail "$found for $seconds s; is the control server down?" ;;
esac
# `tailscale up` sets it only when it logs in, so a declaration that changed later needs this.
problem=$(timeout 20 tailscale set --ssh="$SSH" 2>&1) || fail "cannot set Tailscale SSH to $SSH: $(printf '%s' "$problem" | tail -n 1 | masked)"
say joined
