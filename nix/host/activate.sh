#!/usr/bin/env bash
# `clawdlets-activate`: switches the running system with automatic rollback, and survives the session that started it. Run as root
# by `sudo -n` without arguments; the order is one line on standard input. Paths and repository come from its wrapper, never from an
# order: a system is a commit of the one branch, fetched and built here, because admin's key must not be equivalent to root.
#
# If SYSTEM_KEYS names keys, nothing is switched to unless one of them has signed it (Ed25519, in nix's format), for this host, with a
# release number above the last one that was kept. What is signed is a commit, which is built here, a store path, or the source of a
# flake in the store, which is built here. A host without keys takes commits of its branch and generations that it has run.
#
# orders  prepare <id> <sha256 of a token> <seconds>   saves the current secrets; from here on it rolls back unless confirmed
#         switch <id> <commit|newest|previous>         builds (or takes the generation before), `boot`, `switch`, in a unit of its own
#         switch <id> <commit|store path|source> <release> <key>:<signature> [downgrade]     the same, of what is signed
#         confirm <id> <token>                         over a new connection: the new system can be reached
#         cancel <id>                                  back to what was, now
# out     the state, one line of JSON; also in $STATE_DIR/state.json, which is world-readable
# exit    0 accepted · 1 refused or failed · 3 too early, ask again
# stderr  of a failure ends with two lines: `clawdlets-activate: code <code>`, then the reason in words. Codes are promises: released
#         versions of clawdlets decide by them, and by `code` in the state.
#
# Phases: prepared → building → switching → checking → waiting → done; `returning` → done from each of them. `result` is then
# `switched` or `returned`. With arguments, for its units alone: `run` does a switch, `watch` finishes an abandoned activation.
set -euo pipefail
export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
umask 022
cd /

# shellcheck source=lib/refuse.sh
source "${BASH_SOURCE[0]%/*}/lib/refuse.sh" clawdlets-activate
(($# > 0)) || trap unexpected EXIT
now() { date +%s; }
running() { readlink -f "$CURRENT_SYSTEM"; }
CURRENT_SYSTEM=${CURRENT_SYSTEM:-/run/current-system}
BOOTED_SYSTEM=${BOOTED_SYSTEM:-/run/booted-system}
BOOT_ID=${BOOT_ID:-/proc/sys/kernel/random/boot_id}
LOCKS=${LOCKS:-/run/clawdlets-locks}
SWITCH_LOCK=${SWITCH_LOCK:-/run/nixos/switch-to-configuration.lock}
UPTIME=${UPTIME:-/proc/uptime}
STORE=${STORE:-/nix/store}
# Only root can make it, at the console; /run is empty after a boot.
DOWNGRADE_MARK=${DOWNGRADE_MARK:-/run/clawdlets-downgrade-allowed}
unit=clawdlets-activation.service
kept=${SECRETS_DIR%/*}/.${SECRETS_DIR##*/}.kept # No host name contains a dot.
# flock(2) accepts a read-only descriptor, so anyone who can read a lock file can hold the lock for ever. Only root can reach
# these.
install --directory --mode=0700 -- "$LOCKS"
fields=(id phase result rev release from to deadline seconds token bootId code why)
mkdir -p -- "$STATE_DIR"

# Written atomically: a killed run leaves the old state or the new one. The s_ variables are its fields.
# shellcheck disable=SC2034
load() {
  local field value
  for field in "${fields[@]}"; do printf -v "s_$field" '%s' ""; done
  [[ -e $STATE_DIR/state ]] || return 0
  while IFS='=' read -r field value; do printf -v "s_$field" '%s' "$value"; done <"$STATE_DIR/state"
}
save() {
  local field name text="" json=""
  for field in "${fields[@]}"; do
    name=s_$field
    printf -v "$name" '%s' "${!name//[\"\\$'\n\t']/?}" # One line, and no quoting needed in JSON.
    text+="$field=${!name}"$'\n'
    [[ $field == token ]] || json+="${json:+,}\"$field\":\"${!name}\""
  done
  printf '%s' "$text" >"$STATE_DIR/.state" && chmod 0600 "$STATE_DIR/.state"
  printf '{%s}\n' "$json" >"$STATE_DIR/.state.json"
  sync -- "$STATE_DIR/.state" "$STATE_DIR/.state.json"
  mv -- "$STATE_DIR/.state" "$STATE_DIR/state"
  mv -- "$STATE_DIR/.state.json" "$STATE_DIR/state.json"
  sync -- "$STATE_DIR"
}
phase() { s_phase=$1 && save; }
# limited SECONDS COMMAND...: every wait in this script has a limit.
limited() { timeout --kill-after=10 "$@"; }
under_way() { [[ -n $s_phase && $s_phase != "done" ]]; }

# The decision lock: a confirmation, the deadline and a cancellation race for it, and exactly one wins. Fails when another run has
# held it for a minute.
decide() {
  exec 8>>"$LOCKS/activation-decision.lock"
  flock --wait 60 8 || return
  load
}
decided() { exec 8>&-; }

# An exchange swaps two names, so the folder's inode tells afterwards whether it happened.
number_of_folder() { stat --format=%i -- "$1"; }

keep_secrets() {
  rm -rf -- "$kept"
  [[ -d $SECRETS_DIR ]] || return 0
  cp --archive --no-target-directory -- "$SECRETS_DIR" "$kept"
  number_of_folder "$kept" >"$STATE_DIR/kept.number"
  sha256sum <"$AGE_KEY_FILE" >"$STATE_DIR/key.sum"
}

# Skipped if the host's identity has changed since: it may not decrypt the old files. After a kill it continues, without a second
# exchange.
return_secrets() {
  [[ -d $kept ]] || return 0
  if [[ $(number_of_folder "$SECRETS_DIR") != "$(cat "$STATE_DIR/kept.number")" ]]; then
    if diff --recursive --brief -- "$kept" "$SECRETS_DIR" >/dev/null; then
      rm -rf -- "$kept"
      return 0
    fi
    if [[ $(sha256sum <"$AGE_KEY_FILE") != "$(cat "$STATE_DIR/key.sum")" ]]; then
      say "keeping the current secrets: the host's identity has changed since"
      rm -rf -- "$kept"
      return 0
    fi
    mv --exchange --no-target-directory -- "$kept" "$SECRETS_DIR"
    sync
  fi
  limited 120 systemctl restart sops-install-secrets.service >&2 || say "sops-install-secrets.service did not start"
  limited 120 systemctl try-restart clawdlets-secrets.target >&2 || say "clawdlets-secrets.target did not start"
  rm -rf -- "$kept"
}

# switch_to SECONDS SYSTEM boot|switch. switch-to-configuration gives up when its own lock is held, and creates a world-readable
# lock file: a bot that has opened it could block every switch, rollbacks included. So we create the file, and it is new.
switch_to() {
  install --directory --mode=0755 -- "${SWITCH_LOCK%/*}"
  if [[ $(stat --format='%u %a %h %F' -- "$SWITCH_LOCK" 2>/dev/null) != "$EUID 600 1 regular"*file ]]; then
    rm -f -- "$SWITCH_LOCK"
    (umask 077 && : >"$SWITCH_LOCK")
  fi
  limited "$1" "$2/bin/switch-to-configuration" "$3" >&2
}

# Back to its own generation. A rolled-back system has none, so that `previous` never means it.
choose_former() {
  local link number found=0
  for link in "$PROFILE"-*-link; do
    number=$(number_of "$link")
    [[ $(readlink -f "$link") != "$s_from" ]] || ((number <= found)) || found=$number
  done
  if ((found == 0)); then
    limited 120 nix-env --profile "$PROFILE" --set "$s_from" >&2
    return
  fi
  limited 120 nix-env --profile "$PROFILE" --switch-generation "$found" >&2 || return
  for link in "$PROFILE"-*-link; do
    number=$(number_of "$link")
    if ((number > found)) && [[ $(readlink -f "$link") == "$s_to" ]]; then
      limited 120 nix-env --profile "$PROFILE" --delete-generations "$number" >&2 || say "could not delete generation $number"
    fi
  done
}

# 0 if it is not the link of a generation.
number_of() {
  local number=${1##*/}
  number=${number#"${PROFILE##*/}"-} number=${number%-link}
  [[ $number =~ ^[1-9][0-9]*$ ]] || number=0
  printf '%s' "$number"
}

# Rolls back to the former system and secrets. Once started it continues until done, across reboots.
go_back() {
  local why=$1
  say "rolling back to $s_from: $why"
  [[ $s_phase == returning ]] || { s_why=$why && phase returning; }
  # Secrets first: the services of the former system start with them.
  return_secrets
  if [[ -n $s_to ]]; then
    choose_former || say "could not reset the profile"
    switch_to 600 "$s_from" boot || say "could not reset the boot loader"
    limited 60 systemctl reset-failed >&2 || true # Nothing had failed, or it is reported below.
    # It also fails when a single unit did not start, so what counts is which system runs.
    switch_to 600 "$s_from" switch || say "not every unit of the former system started"
    # Units that SSH access needs: switching skips them when it sees no difference, even if they are broken.
    for each in $VITAL_UNITS; do
      limited 60 systemctl is-active --quiet "$each" || limited 120 systemctl restart "$each" >&2 || say "$each does not start"
    done
    if [[ $(running) != "$s_from" ]]; then
      say "the former system does not run; rebooting into it now"
      limited 60 systemctl reboot
      exit 0
    fi
  fi
  s_result=returned s_bootId=$(cat "$BOOT_ID")
  phase "done"
  rm -f -- "$STATE_DIR/wanted" "$STATE_DIR/former"
  say "$s_from runs"
}

# Only for a commit on the branch. GitHub serves the commits of every fork under the original's name, so a host that accepts
# `github:owner/repo/<any commit>`, as upstream's did, gives root to anyone who has admin's key and a fork.
fetch() {
  local branch=refs/heads/$REF
  [[ -n $REPOSITORY ]] || { s_code=no-repository s_why="this host has no repository to build from (clawdlets:rebuild.repository)" && return 1; }
  commit=$s_rev
  [[ -d $CACHE/objects ]] || git init --quiet --bare "$CACHE"
  limited 600 git -C "$CACHE" fetch --quiet --no-tags --force "$REPOSITORY" "$branch:$branch" ||
    { s_code=unfetched s_why="cannot fetch branch $REF of $REPOSITORY" && return 1; }
  if [[ $s_rev == newest ]]; then
    commit=$(git -C "$CACHE" rev-parse "$branch")
  elif ! git -C "$CACHE" merge-base --is-ancestor "$s_rev" "$branch" 2>/dev/null; then
    s_why="$s_rev is not on branch $REF of $REPOSITORY"
    return 1
  fi
}

build() {
  build_flake "git+file://$CACHE?ref=refs/heads/$REF&rev=$commit"
}

build_flake() {
  limited "$BUILD_SECONDS" nix build --no-write-lock-file --out-link "$STATE_DIR/wanted" "$1#nixosConfigurations.\"$HOST\".config.system.build.toplevel" >&2 ||
    { s_why="the build of ${commit:-${s_rev%%\?*}} failed or took more than $BUILD_SECONDS s; see journalctl --unit=$unit" && return 1; }
  take "$(readlink -f "$STATE_DIR/wanted")"
}

# The files of a flake, which the operator's machine has fetched and copied here. The signed text has their hash; one of
# them is the lock file, which has the hash of each input. All of it is in the store by now, so the flake is not fetched, and no token is needed here.
sent() {
  local source=${s_rev#source:}
  limited 600 nix --extra-experimental-features nix-command store verify --sigs-needed 1 "${source%%\?*}" >&2 ||
    { s_why="the source ${source%%\?*} is not completely in the host's store; rebuild without --release to send it again" && return 1; }
  limited 120 nix-store --add-root "$STATE_DIR/source" --realise "${source%%\?*}" >/dev/null ||
    { s_why="cannot protect ${source%%\?*} from garbage collection" && return 1; }
  build_flake "path:$source"
}

# The last release that was kept, or the age of the running system if that is newer: a host that was just installed takes nothing that
# was signed before its system was committed.
last_release() {
  local kept=0
  [[ ! -e $STATE_DIR/release ]] || read -r kept <"$STATE_DIR/release"
  ((kept > RELEASE_FLOOR)) || kept=$RELEASE_FLOOR
  printf '%s' "$kept"
}

keep_release() {
  [[ -n $s_release ]] || return 0
  printf '%s\n' "$s_release" >"$STATE_DIR/.release"
  sync -- "$STATE_DIR/.release"
  mv -- "$STATE_DIR/.release" "$STATE_DIR/release"
  rm -f -- "$DOWNGRADE_MARK" # It counts once.
}

# is_signed TEXT KEY:SIGNATURE. Checks with each trusted key of that name.
is_signed() {
  local key work status=1
  work=$(mktemp --directory --tmpdir="$STATE_DIR" .signature.XXXXXX)
  printf '%s' "$1" >"$work/text"
  base64 --decode <<<"${2#*:}" >"$work/signature"
  for key in $SYSTEM_KEYS; do
    [[ ${key%%:*} == "${2%%:*}" ]] || continue
    # An Ed25519 public key in DER is this and its 32 bytes (RFC 8410).
    { printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' && base64 --decode <<<"${key#*:}"; } >"$work/key"
    ! limited 30 openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -in "$work/text" -sigfile "$work/signature" >/dev/null 2>&1 || status=0
  done
  rm -rf -- "$work"
  return "$status"
}

# authorise WHAT RELEASE KEY:SIGNATURE DOWNGRADE. Refuses what the caller may not switch to.
authorise() {
  local kept
  if [[ -z $SYSTEM_KEYS ]]; then
    [[ $1 != /* && $1 != source:* ]] || refuse no-keys "this host trusts no keys (clawdlets:systemKeys), so it accepts no system that was built elsewhere"
    return 0
  fi
  [[ -n $3 && $1 != newest && $1 != previous ]] || refuse unsigned "it is not signed, and this host accepts only what one of its keys has signed (clawdlets:systemKeys)"
  is_signed "clawdlets-release;1;$NAME;$2;$1" "$3" || refuse untrusted "no key that this host trusts has signed this release for it (clawdlets:systemKeys)"
  kept=$(last_release)
  ((10#$2 <= kept)) || return 0
  [[ -n $4 ]] || refuse old-release "release $2 is not newer than the host's release $kept"
  [[ -e $DOWNGRADE_MARK ]] || refuse old-release "release $2 is not newer than the host's release $kept. To allow an older one once, run as root at the console: touch $DOWNGRADE_MARK"
}

# A system that was copied here, or that has run here. The signature of a path covers the names of what it refers to, not their content.
# So each path that the system needs has to be signed by a key that nix trusts here, a cache's or one of SYSTEM_KEYS, unless a system
# that has run here needs it as well.
pushed() {
  local needed known new
  local -a generations=() unknown=()
  needed=$(limited 120 nix-store --query --requisites "$s_rev") ||
    { s_why="$s_rev is not completely in the host's store; was the copy cut?" && return 1; }
  mapfile -t generations < <(readlink -f -- "$PROFILE"-*-link)
  known=$(limited 120 nix-store --query --requisites "${generations[@]}") || { s_why="cannot read the host's generations" && return 1; }
  new=$(comm -23 <(sort --unique <<<"$needed") <(sort --unique <<<"$known"))
  [[ -z $new ]] || mapfile -t unknown <<<"$new"
  ((${#unknown[@]} == 0)) || limited 1800 nix --extra-experimental-features nix-command store verify --sigs-needed 1 "${unknown[@]}" >&2 ||
    { s_why="not every path of $s_rev is signed by a key that this host trusts; see journalctl --unit=$unit" && return 1; }
  limited 120 nix-store --add-root "$STATE_DIR/wanted" --realise "$s_rev" >/dev/null ||
    { s_why="cannot protect $s_rev from garbage collection" && return 1; }
  take "$s_rev"
}

# A system that has run on this host before.
previous() {
  local link number found=0 present
  present=$(number_of "$(readlink "$PROFILE")")
  for link in "$PROFILE"-*-link; do
    number=$(number_of "$link")
    ((number >= present || number <= found)) || found=$number
  done
  ((found > 0)) || { s_why="there is no earlier generation" && return 1; }
  limited 120 nix-store --add-root "$STATE_DIR/wanted" --realise "$(readlink -f "$PROFILE-$found-link")" >/dev/null ||
    { s_why="cannot protect generation $found from garbage collection" && return 1; }
  take "$(readlink -f "$PROFILE-$found-link")"
}

take() {
  local built=$1
  [[ $built =~ ^/[A-Za-z0-9/._+?=-]+$ && -x $built/bin/switch-to-configuration ]] ||
    { s_why="the build result is not a NixOS system: $built" && return 1; }
  # After a reboot, the new system has to do the rollback.
  [[ -e $built/etc/systemd/system/clawdlets-activation-watch.service ]] ||
    { s_why="the new system has no clawdlets-activation-watch.service, so it could not roll back on its own" && return 1; }
  # A garbage collector root, which keeps the former system.
  limited 120 nix-store --add-root "$STATE_DIR/former" --realise "$s_from" >/dev/null || { s_why="cannot protect $s_from from garbage collection" && return 1; }
  wanted=$built
}

# The health commands of the new system.
healthy() {
  local command limit commands=$s_to/etc/clawdlets/health-commands
  [[ -e $commands ]] || return 0
  while IFS= read -r command || [[ -n $command ]]; do
    limit=$((s_deadline - $(now)))
    ((limit < 60)) || limit=60
    ((limit > 0)) || limit=1
    [[ -z $command ]] || limited "$limit" bash -c "$command" >&2 </dev/null || { s_why="a health command failed: ${command//[^A-Za-z0-9 ._\/:-]/?}" && return 1; }
  done <"$commands"
}

# Waits check both the wall clock and the elapsed time: a clock set back must not keep an unconfirmed system.
uptime() {
  local seconds
  IFS=. read -r seconds _ <"$UPTIME"
  printf '%s' "$seconds"
}
is_over() { (($(now) >= s_deadline || $(uptime) >= $1)); }

kernel_changed() {
  local part
  for part in kernel initrd kernel-modules; do
    [[ $(readlink -f "$BOOTED_SYSTEM/$part") == "$(readlink -f "$CURRENT_SYSTEM/$part")" ]] || return 0
  done
  return 1
}

await_confirmation() {
  s_why=""
  # shellcheck disable=SC2034
  s_bootId=$(cat "$BOOT_ID")
  local until=$(($(uptime) + s_seconds)) # Before the phase is announced: the time runs from then at the latest.
  phase waiting
  while [[ ! -e $STATE_DIR/confirmed ]] && ! is_over "$until"; do sleep 1; done
  # Rolling back takes precedence over waiting for the decision lock.
  decide || { say "another run has held the decision lock for a minute" && load; }
  if [[ $s_phase == waiting && -e $STATE_DIR/confirmed ]]; then
    # The mark is the decision: any run that continues from here reaches the same end.
    rm -rf -- "$kept"
    rm -f -- "$STATE_DIR/former"
    keep_release
    s_result=switched
    phase "done"
    decided
    say "confirmed: keeping $s_to"
    return
  fi
  [[ $s_phase == "done" ]] || { s_why="not confirmed within $s_seconds s over a new connection" && phase returning; }
  decided
  [[ $s_phase == "done" ]] || go_back "$s_why"
}

run() {
  exec 9>>"$LOCKS/activation.lock"
  flock --wait 30 9 || refuse busy "another run is at work" # A watch that only checks holds it for a moment.
  load
  [[ $s_phase == building ]] || refuse not-prepared "there is nothing to switch to"
  wanted="" commit=""
  local found=1
  case $s_rev in
    previous) previous || found=0 ;;
    /*) pushed || found=0 ;;
    source:*) sent || found=0 ;;
    *) { fetch && build; } || found=0 ;;
  esac
  if ((found == 0)); then
    go_back "$s_why"
    return
  fi
  decide || {
    go_back "another run held the decision lock for a minute"
    return
  }
  if [[ $s_phase != building ]]; then # Cancelled meanwhile.
    decided
    go_back "$s_why"
    return
  fi
  s_to=$wanted s_rev=${commit:-$s_rev} s_deadline=$(($(now) + s_seconds))
  phase switching
  decided
  if ! { limited 120 nix-env --profile "$PROFILE" --set "$s_to" && switch_to 600 "$s_to" boot; } >&2; then
    go_back "could not select it for the next boot"
    return
  fi
  local status=0
  switch_to "$s_seconds" "$s_to" switch || status=$?
  if ((status != 0)); then
    go_back "switching to it failed with status $status; see journalctl --unit=$unit"
    return
  fi
  local until=$(($(uptime) + s_seconds))
  phase checking
  until healthy; do
    if is_over "$until"; then
      go_back "$s_why"
      return
    fi
    sleep 2
  done
  if [[ $REBOOT == 1 ]] && kernel_changed; then
    say "the kernel has changed: rebooting"
    phase rebooting
    limited 60 systemctl reboot
    return
  fi
  await_confirmation
}

# At boot, and every minute: for a run that was killed, and for a host that rebooted during one.
watch() {
  exec 9>>"$LOCKS/activation.lock"
  flock --nonblock 9 || return 0 # It is at work.
  decide || return 0 # Another order is being decided.
  if [[ $s_phase == prepared ]] && (($(now) >= s_deadline)); then s_why="prepare was not followed by a switch" && phase returning; fi
  decided
  under_way || return 0
  case $s_phase in
    # It is about to take the lock, or holds the lock of an older version.
    building | switching | checking | waiting | returning) ! limited 60 systemctl is-active --quiet "$unit" || return 0 ;;
  esac
  case $s_phase in
    prepared) ;;
    returning) go_back "$s_why" ;;
    rebooting)
      if [[ $(running) == "$s_to" && $(now) -lt $s_deadline ]]; then await_confirmation; else go_back "it did not boot in time"; fi
      ;;
    waiting) await_confirmation ;; # Past the deadline it rolls back at once.
    *) go_back "its run was interrupted while $s_phase" ;;
  esac
}

if (($# > 0)); then
  [[ $# == 1 && ($1 == run || $1 == watch) ]] || refuse unknown-order "it takes no arguments"
  "$1"
  exit
fi

IFS= read -r -t 30 -n 800 order || [[ -n ${order-} ]] || refuse unknown-order "no order on standard input"
exec 7>>"$LOCKS/activation-order.lock"
flock --wait 10 7 || refuse busy "another order is at work"
decide || refuse busy "another run has held the decision lock for a minute"
case $order in
  prepare\ *)
    [[ $order =~ ^prepare\ ([0-9a-f]{16})\ ([0-9a-f]{64})\ ([1-9][0-9]{1,3})$ ]] || refuse unknown-order "allowed: prepare, 16 hex digits, 64 hex digits, 10 to 3600"
    id=${BASH_REMATCH[1]} token=${BASH_REMATCH[2]} seconds=${BASH_REMATCH[3]}
    ((seconds >= 10 && seconds <= 3600)) || refuse unknown-order "allowed: prepare, 16 hex digits, 64 hex digits, 10 to 3600"
    ! under_way || refuse busy "activation $s_id is $s_phase"
    [[ $id != "$s_id" ]] || refuse ended "activation $id has ended"
    for field in "${fields[@]}"; do printf -v "s_$field" '%s' ""; done
    keep_secrets
    rm -f -- "$STATE_DIR/confirmed"
    s_id=$id s_token=$token s_seconds=$seconds s_deadline=$(($(now) + seconds)) s_from=$(running)
    phase prepared
    ;;
  switch\ *)
    source_form="source:$STORE/[A-Za-z0-9+._=-]{1,250}[?][A-Za-z0-9._%=&/-]{1,300}"
    [[ $order =~ ^switch\ ([0-9a-f]{16})\ ([0-9a-f]{40}|newest|previous|"$STORE"/[A-Za-z0-9+._?=-]{1,250}|$source_form)(\ ([1-9][0-9]{0,14})\ ([A-Za-z0-9.@+_-]{1,100}:[A-Za-z0-9+/]{86}==)(\ downgrade)?)?$ ]] ||
      refuse unknown-order "allowed: switch, 16 hex digits, and a full commit (40 hex digits), newest, previous, a store path or a source; then release, signature, downgrade"
    [[ ${BASH_REMATCH[1]} == "$s_id" && $s_phase == prepared ]] || refuse not-prepared "activation ${BASH_REMATCH[1]} is not prepared"
    s_rev=${BASH_REMATCH[2]} s_release=${BASH_REMATCH[4]}
    authorise "$s_rev" "$s_release" "${BASH_REMATCH[5]}" "${BASH_REMATCH[6]}"
    phase building
    # A unit outside this session: it survives the loss of the connection that it changes. A previous unit may still be ending.
    for _ in {1..10}; do
      status=0
      limited 60 systemd-run --quiet --collect --unit="$unit" --property=Type=exec --property=KillMode=mixed "$SELF" run 7>&- 8>&- >&2 || status=$?
      ((status != 0 && status != 124)) || break # 124: too long.
      sleep 1
    done
    if ((status != 0)); then
      s_why="the unit did not start"
      phase returning
      decided
      (go_back "$s_why") || true # What is missing, `watch` takes up.
      refuse not-started "systemd could not start $unit"
    fi
    ;;
  confirm\ *)
    [[ $order =~ ^confirm\ ([0-9a-f]{16})\ ([0-9a-f]{64})$ ]] || refuse unknown-order "allowed: confirm, 16 hex digits, 64 hex digits"
    [[ ${BASH_REMATCH[1]} == "$s_id" ]] || refuse not-current "this host has no activation ${BASH_REMATCH[1]}"
    read -r sum _ < <(printf '%s' "${BASH_REMATCH[2]}" | sha256sum)
    [[ $sum == "$s_token" ]] || refuse wrong-token "another token"
    case "$s_phase $s_result" in
      "waiting ")
        (($(now) < s_deadline)) || refuse too-late "the deadline has passed"
        [[ $(running) == "$s_to" ]] || refuse other-system "the host runs another system"
        : >"$STATE_DIR/confirmed"
        sync -- "$STATE_DIR"
        ;;
      "done switched") ;;
      prepared* | building* | switching* | checking* | rebooting*) refuse too-early "it is $s_phase" 3 ;;
      *) refuse ended "it is $s_phase: $s_why" ;;
    esac
    ;;
  cancel\ *)
    [[ $order =~ ^cancel\ ([0-9a-f]{16})$ ]] || refuse unknown-order "allowed: cancel, 16 hex digits"
    [[ ${BASH_REMATCH[1]} == "$s_id" ]] || refuse not-current "this host has no activation ${BASH_REMATCH[1]}"
    case $s_phase in
      prepared)
        s_why="cancelled" && phase returning
        decided
        go_back "cancelled" >/dev/null
        ;;
      building) s_why="cancelled" && phase returning ;; # The run notices before it changes anything.
      done) ;;
      *) refuse too-late "it is $s_phase; without a confirmation it rolls back on its own" ;;
    esac
    ;;
  *) refuse unknown-order "allowed orders: prepare, switch, confirm, cancel" ;;
esac
cat "$STATE_DIR/state.json"
