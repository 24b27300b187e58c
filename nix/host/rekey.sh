#!/usr/bin/env bash
# `clawdlets-rekey`: makes the host a new device of its tailnet, with automatic rollback, and survives the session that started it. Run
# as root by `sudo -n` without arguments; the order comes on standard input, as a key has no place on a command line.
#
# No `tailscale up --force-reauth`: it gives up the old identity before it has a new one. The old one is renamed aside instead, and
# renamed back unless the new one is confirmed over a new session. Both are never in use at once.
#
# orders  begin <id> <seconds>, then a line with the auth key     a unit of its own joins with it; from here on it rolls back unless
#                                                                 confirmed within so many seconds, the join included
#         confirm <id>                                            over a new connection: the new device can be reached
# out     the state, one line of JSON, which is also in $STATE_DIR/state.json for everyone to read. It never holds the key
# exit    0 accepted · 1 refused or failed · 3 too early, ask again
# stderr  of a failure ends with two lines: `clawdlets-rekey: code <code>`, then the reason in words. Codes are promises: released
#         versions of clawdlets decide by them.
#
# Phases: accepted → replacing → joining → waiting → done; `returning` → done from each of them. `result` is then `rekeyed` or
# `returned`. With arguments, for its units alone: `run` does it, `watch` settles one that was killed, or cut short by a reboot.
#
# STATE_DIR        its state, which outlives a reboot
# RUN_DIR          the key, until it is used or given up; root's alone, gone after a reboot
# TAILSCALE_STATE  tailscaled's file with the host's identity
# KEPT_STATE       the old one, next to it: there exactly while it is neither decided nor rolled back
# ACTIVATION       state of `clawdlets rebuild`
# SELF, JOIN       this command, and nix/host/join-tailnet.sh, which reads from the environment how the host joins
set -euo pipefail
export LC_ALL=C
umask 077
cd /
# shellcheck source=lib/refuse.sh
source "${BASH_SOURCE[0]%/*}/lib/refuse.sh" clawdlets-rekey
(($# > 0)) || trap unexpected EXIT
BOOT_ID=${BOOT_ID:-/proc/sys/kernel/random/boot_id}
LOCKS=${LOCKS:-/run/clawdlets-locks}
UPTIME=${UPTIME:-/proc/uptime}
key_file=$RUN_DIR/key
unit=clawdlets-rekey.service
install --directory --mode=0755 -- "$STATE_DIR"
# Locks where only root reaches them: anyone who can open a lock file can hold the lock (flock works on read-only descriptors).
install --directory --mode=0700 -- "$RUN_DIR" "$LOCKS"

now() { date +%s; }
uptime() {
  local seconds
  IFS=. read -r seconds _ <"$UPTIME"
  printf '%s' "$seconds"
}
# Every wait has a limit.
limited() { timeout --kill-after=10 "$@"; }

fields=(id phase result seconds deadline from to bootId why)
load() {
  local field text=""
  [[ ! -e $STATE_DIR/state.json ]] || read -r text <"$STATE_DIR/state.json"
  for field in "${fields[@]}"; do
    printf -v "s_$field" '%s' ""
    [[ ! $text =~ [{,]\"$field\":\"([^\"]*)\" ]] || printf -v "s_$field" '%s' "${BASH_REMATCH[1]}"
  done
}
# Atomic: a killed run leaves the old state or the new one.
save() {
  local field name json=""
  for field in "${fields[@]}"; do
    name=s_$field
    printf -v "$name" '%s' "${!name//[\"\\$'\n\t']/?}" # One line, and no quoting needed in JSON.
    json+="${json:+,}\"$field\":\"${!name}\""
  done
  printf '{%s}\n' "$json" >"$STATE_DIR/.state.json"
  chmod 0644 "$STATE_DIR/.state.json"
  sync -- "$STATE_DIR/.state.json"
  mv -- "$STATE_DIR/.state.json" "$STATE_DIR/state.json"
  sync -- "$STATE_DIR"
}
phase() { s_phase=$1 && save; }
under_way() { [[ -n $s_phase && $s_phase != "done" ]]; }

# The decision lock: a confirmation and the deadline race for it, and exactly one wins.
decide() {
  exec 8>>"$LOCKS/rekey-decision.lock"
  flock --wait 60 8 || return
  load
}
decided() { exec 8>&-; }

# Held while tailscaled's identity is changed, by the join unit as well.
take_tailnet_lock() {
  exec 9>>"$LOCKS/tailnet.lock"
  flock "$@" 9
}

node_key() { limited 20 tailscale status --json --peers=false 2>/dev/null | sed -nE '0,/"PublicKey"/s/^ *"PublicKey": "(nodekey:[0-9a-f]{64})",?$/\1/p'; }
stop_tailscaled() { limited 150 systemctl stop tailscaled.service >&2; }
start_tailscaled() { limited 120 systemctl start tailscaled.service >&2; }
# It tells everyone whether the host is in the tailnet, and was idle meanwhile.
start_join_unit() { limited 30 systemctl --no-block restart clawdlets-tailnet.service >&2 || say "clawdlets-tailnet.service did not start"; }

# Once started it continues until done: `watch` takes it up again. Where nothing was kept, the identity is still the old one.
go_back() {
  say "back to the old device: $1"
  [[ $s_phase == returning ]] || { s_why=$1 && phase returning; }
  rm -f -- "$key_file"
  if [[ -e $KEPT_STATE ]]; then
    # It writes its identity to the file as long as it runs.
    stop_tailscaled || { say "tailscaled does not stop; trying again in a minute" && exit 1; }
    mv --force --no-target-directory -- "$KEPT_STATE" "$TAILSCALE_STATE"
    sync -- "${TAILSCALE_STATE%/*}"
  fi
  start_tailscaled || { say "tailscaled does not start; trying again in a minute" && exit 1; }
  # shellcheck disable=SC2034
  s_result=returned s_bootId=$(cat "$BOOT_ID")
  phase "done"
  start_join_unit
}

await_confirmation() {
  local left=$((s_deadline - $(now)))
  ((left <= s_seconds)) || left=$s_seconds # A clock that was set back keeps no unconfirmed identity.
  local until=$(($(uptime) + left))
  # shellcheck disable=SC2034
  s_bootId=$(cat "$BOOT_ID")
  phase waiting
  while [[ ! -e $STATE_DIR/confirmed ]] && (($(now) < s_deadline && $(uptime) < until)); do sleep 1; done
  # Rolling back takes precedence over waiting for the decision lock.
  decide || { say "another run has held the decision lock for a minute" && load; }
  if [[ $s_phase == waiting && -e $STATE_DIR/confirmed ]]; then
    # The mark is the decision: any run that continues from here reaches the same end.
    rm -f -- "$KEPT_STATE"
    sync -- "${KEPT_STATE%/*}"
    s_result=rekeyed s_why=""
    phase "done"
    decided
    say "confirmed: the host is $s_to"
    start_join_unit
    return
  fi
  [[ $s_phase == "done" ]] || { s_why="not confirmed within $s_seconds s over a new session" && phase returning; }
  decided
  [[ $s_phase == "done" ]] || go_back "$s_why"
}

run() {
  local reason left
  # The join unit may be waiting for the control server.
  take_tailnet_lock --wait 150 || { load && go_back "clawdlets-tailnet.service has been at work for 150 s" && return; }
  decide || { load && go_back "another run has held the decision lock for a minute" && return; }
  [[ $s_phase == accepted ]] || refuse not-current "there is nothing to do"
  left=$((s_deadline - $(now)))
  if ((left < 5)); then
    decided
    go_back "no time was left for it"
    return
  fi
  phase replacing
  decided
  stop_tailscaled || { go_back "tailscaled does not stop" && return; }
  mv --no-target-directory -- "$TAILSCALE_STATE" "$KEPT_STATE"
  sync -- "${TAILSCALE_STATE%/*}"
  phase joining
  start_tailscaled || { go_back "tailscaled does not start without its old identity" && return; }
  ((left < 60)) || left=60
  if ! AUTH_KEY_FILE=$key_file STATE_FILE=$RUN_DIR/joined LOCK_FILE="" JOIN_SECONDS=$left bash "$JOIN" 9>&-; then
    reason=$(cat "$RUN_DIR/joined" 2>/dev/null) || reason="the join ended without a reason"
    go_back "it could not join with the new key: ${reason#not joined: }"
    return
  fi
  rm -f -- "$key_file" "$RUN_DIR/joined"
  s_to=$(node_key)
  if [[ -z $s_to || $s_to == "$s_from" ]]; then
    go_back "tailscaled has no new node key"
    return
  fi
  await_confirmation
}

# At boot, and every minute: for a run that was killed, and for a host that rebooted during one.
watch() {
  take_tailnet_lock --nonblock || return 0 # It is at work, or the join unit is.
  decide || return 0                       # An order is being decided.
  decided
  under_way || return 0
  ! limited 60 systemctl is-active --quiet "$unit" || return 0 # It is about to take the lock.
  case $s_phase in
    waiting) await_confirmation ;; # Past the deadline it rolls back at once.
    returning) go_back "$s_why" ;;
    *) go_back "its run was interrupted while $s_phase" ;;
  esac
}

if (($# > 0)); then
  [[ $# == 1 && ($1 == run || $1 == watch) ]] || refuse unknown-order "it takes no arguments"
  "$1"
  exit
fi

# All of it up to its end, so that nothing follows an order. Status 0 is a NUL byte or too much, above 128 no end in time.
status=0
IFS= read -r -d '' -n 1000 -t 30 order || status=$?
((status == 1)) || refuse unknown-order "no order of at most 999 characters on standard input, with an end within 30 s"
allowed="allowed: begin, 16 hex digits and 30 to 3600, then a line with an auth key; or confirm and 16 hex digits"
decide || refuse busy "another order is at work"
if [[ $order =~ ^begin\ ([0-9a-f]{16})\ ([1-9][0-9]{1,3})$'\n'((tskey-(auth|client)|hskey-auth)-[A-Za-z0-9_-]{8,400})$'\n'$ ]]; then
  id=${BASH_REMATCH[1]} seconds=${BASH_REMATCH[2]} key=${BASH_REMATCH[3]}
  ((seconds >= 30 && seconds <= 3600)) || refuse unknown-order "$allowed"
  ! under_way || refuse busy "another rekey ($s_id) is $s_phase"
  [[ $id != "$s_id" ]] || refuse ended "rekey $id has ended"
  [[ ! -e $ACTIVATION || $(<"$ACTIVATION") == *'"phase":"done"'* ]] || refuse busy "a change of the host's system is not confirmed yet"
  [[ ! -e $KEPT_STATE ]] || refuse left-over "$KEPT_STATE is left from something else; check it at the console"
  [[ -s $TAILSCALE_STATE ]] || refuse no-identity "the host has no identity to keep: $TAILSCALE_STATE is missing or empty"
  from=$(node_key) || from="" # Logged out, it may have none.
  for field in "${fields[@]}"; do printf -v "s_$field" '%s' ""; done
  rm -f -- "$STATE_DIR/confirmed"
  # A builtin: in no process's arguments.
  printf '%s\n' "$key" >"$key_file"
  s_id=$id s_seconds=$seconds s_deadline=$(($(now) + seconds)) s_from=$from
  phase accepted
  # A unit outside this session, which it cuts. A previous one may still be ending.
  for _ in {1..10}; do
    status=0
    limited 60 systemd-run --quiet --collect --unit="$unit" --property=Type=exec --property=KillMode=mixed "$SELF" run 8>&- >&2 || status=$?
    ((status != 0 && status != 124)) || break # 124: too long.
    sleep 1
  done
  if ((status != 0)); then
    s_why="the unit did not start"
    phase returning
    decided
    (go_back "$s_why") || true # If tailscaled does not start, `watch` tries again.
    refuse not-started "systemd could not start $unit"
  fi
elif [[ $order =~ ^confirm\ ([0-9a-f]{16})$'\n'$ ]]; then
  [[ ${BASH_REMATCH[1]} == "$s_id" ]] || refuse not-current "the host knows no rekey ${BASH_REMATCH[1]}"
  case "$s_phase $s_result" in
    "waiting ")
      (($(now) < s_deadline)) || refuse too-late "the deadline has passed"
      : >"$STATE_DIR/confirmed"
      sync -- "$STATE_DIR"
      ;;
    "done rekeyed") ;;
    accepted* | replacing* | joining*) refuse too-early "it is $s_phase" 3 ;;
    *) refuse ended "it is $s_phase: $s_why" ;;
  esac
else
  refuse unknown-order "$allowed"
fi
cat "$STATE_DIR/state.json"
