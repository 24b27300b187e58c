#!/usr/bin/env bash
# `clawdlets-backup`: backs bots up and restores them, by starting units in which restic runs (restic.sh). Run as root by `sudo -n`
# without arguments; the order is one line on standard input. Paths and bots come from its wrapper, never from an order. No order
# shows or changes a password, or hands out a bot's files.
#
# orders  now · check                             starts the unit, or says that it runs already
#         list                                    the snapshots of this host, restic's JSON
#         restore <id> <bot> <snapshot> folder    into a folder that only root may enter
#         restore <id> <bot> <snapshot> in-place  stops the bot, exchanges its folder, starts it; takes the old one back if it fails
# out     the state, one line of JSON; also in $STATE_DIR/state.json, which is world-readable
# exit    0 accepted · 1 refused or failed
# stderr  of a failure ends with two lines: `clawdlets-backup: code <code>`, then the reason in words. Codes are promises: released
#         versions of clawdlets decide by them. Those of restic.sh are among them.
#
# With arguments, for its units alone: `run` backs up every bot, `run-check` checks the repository, `run-restore` does a restore, and
# after a kill or a power cut finishes it. Phases of a restore: fetching → stopping → swapping → starting → done, `result` is then
# `restored`, or `returned` with the reason.
set -euo pipefail
export LC_ALL=C
umask 022
cd /

# shellcheck source=lib/refuse.sh
source "${BASH_SOURCE[0]%/*}/lib/refuse.sh" clawdlets-backup
(($# > 0)) || trap unexpected EXIT
RUN_DIR=${RUN_DIR:-/run/clawdlets-backups}
LOCKS=${LOCKS:-/run/clawdlets-locks}
FOLDERS=${FOLDERS:-/srv/clawdbot}
PASSWD=${PASSWD:-/etc/passwd}
read -ra bots <<<"${BOTS-}"
install --directory --mode=0700 -- "$LOCKS" "$RUN_DIR"
mkdir -p -- "$STATE_DIR/bots"
limited() { timeout --kill-after=10 "$@"; }
now() { date --utc +%Y-%m-%dT%H:%M:%SZ; }

# Records are files of key=value lines, written whole: a killed run leaves the old one or the new one.
get() { [[ ! -e $STATE_DIR/$1 ]] || sed -n "s/^$2=//p" "$STATE_DIR/$1"; }
put() { # RECORD KEY VALUE [KEY VALUE]...
  local record=$1 text line
  shift
  text=""
  while (($# > 0)); do
    line=${2//[$'\n\r\t']/ }
    text+="$1=${line//[\"\\]/\'}"$'\n'
    shift 2
  done
  printf '%s' "$text" >"$STATE_DIR/.new"
  sync -- "$STATE_DIR/.new"
  mv -- "$STATE_DIR/.new" "$STATE_DIR/$record"
  show >"$STATE_DIR/.state.json"
  mv -- "$STATE_DIR/.state.json" "$STATE_DIR/state.json"
}
object() { # RECORD KEY...
  local record=$1 json="" key
  shift
  for key in "$@"; do json+="${json:+,}\"$key\":\"$(get "$record" "$key" | tr -cd '[:print:]')\""; done
  printf '{%s}' "$json"
}
show() {
  local list="" bot
  for bot in "${bots[@]}"; do list+="${list:+,}\"$bot\":$(object "bots/$bot" good snapshot tried problem why)"; done
  printf '{"bots":{%s},"check":%s,"run":%s,"restore":%s}\n' "$list" "$(object check good tried problem why)" \
    "$(object run phase started ended)" "$(object restore id bot snapshot to phase result folder why)"
}
is_bot() {
  local bot
  for bot in "${bots[@]}"; do [[ $1 != "$bot" ]] || return 0; done
  return 1
}

# Starts a unit in which restic runs, and reads the one line that it prints. UNIT NAME LIMIT → $result (ok, incomplete, failed),
# $code, $text.
restic() {
  local out=$RUN_DIR/$2.out
  rm -f -- "$out"
  limited "$3" systemctl start "$1" >&2 || true
  result="" code="" text=""
  [[ ! -e $out ]] || read -r result text <"$out" || true
  case $result in
  ok) ;;
  failed) code=${text%% *} text=${text#* } ;;
  incomplete) code=incomplete text=${text#* } ;;
  *)
    # Killed, out of memory, over its time: systemd knows more.
    limited 60 systemctl stop "$1" >&2 || true
    result=failed code=interrupted text="the unit $1 ended without a result"
    ;;
  esac
}
# The lock of whatever uses the repository. Released when this process ends.
only_one() {
  exec 9>>"$LOCKS/backup.lock"
  flock --wait "${1:-60}" 9
}

run() {
  only_one 3600 || refuse busy "another run is in progress; waited an hour for it"
  local bot good failures=0 may_create=1
  # Once there has been a good backup, a repository that is not there is a failure and no reason to make one.
  for bot in "${bots[@]}"; do [[ -z $(get "bots/$bot" good) ]] || may_create=0; done
  put run phase running started "$(now)" ended ""
  local started
  started=$(get run started)
  for bot in "${bots[@]}"; do
    printf 'MAY_CREATE=%s\n' "$may_create" >"$RUN_DIR/$bot.env"
    good=$(get "bots/$bot" good)
    restic "clawdlets-backup@$bot.service" "$bot" "$BACKUP_SECONDS"
    if [[ $result == ok ]]; then
      put "bots/$bot" good "$(now)" snapshot "$text" tried "$(now)" problem "" why ""
      may_create=0
    else
      put "bots/$bot" good "$good" snapshot "$(get "bots/$bot" snapshot)" tried "$(now)" problem "$code" why "$text"
      failures=$((failures + 1))
      say "$bot: $code: $text"
    fi
  done
  put run phase "done" started "$started" ended "$(now)"
  ((failures == 0))
}

run_check() {
  only_one 3600 || refuse busy "another run is in progress; waited an hour for it"
  local good
  good=$(get check good)
  restic clawdlets-backup-repository@check.service check "$BACKUP_SECONDS"
  if [[ $result == ok ]]; then
    put check good "$(now)" tried "$(now)" problem "" why ""
  else
    put check good "$good" tried "$(now)" problem "$code" why "$text"
    say "check: $code: $text"
    return 1
  fi
}

# Of a restore. The r_ variables are its fields.
fields=(id bot snapshot to phase result folder active number why)
load() {
  local field
  for field in "${fields[@]}"; do printf -v "r_$field" '%s' "$(get restore "$field")"; done
}
save() {
  local field name words=()
  for field in "${fields[@]}"; do
    name=r_$field
    words+=("$field" "${!name}")
  done
  put restore "${words[@]}"
}
phase() { r_phase=$1 && save; }
ended() { # RESULT [WHY]
  r_phase="done" r_result=$1 r_why=${2-}
  save
  rm -rf -- "${FOLDERS:?}/.restore/$r_bot"
}
inode() { stat --format=%i -- "$1"; }
unit() { echo "clawdbot-$r_bot.service"; }
state_of_unit() { limited 20 systemctl show --value --property="$1" "$(unit)"; }
# A bot that this host does not run has no unit.
stop_bot() { limited 120 systemctl stop "$(unit)" >&2 || [[ $(state_of_unit LoadState) == not-found ]]; }
start_bot() { [[ $r_active != 1 ]] || limited 120 systemctl start "$(unit)" >&2; }
# A bot that ends at once has been started by systemd all the same.
stays_up() {
  local second
  [[ $r_active == 1 ]] || return 0
  for ((second = 0; second < ${SETTLE_SECONDS:-10}; second++)); do
    sleep 1
    limited 20 systemctl is-active --quiet "$(unit)" || return 1
  done
}

# The bot's number may be another one by now. What belonged to it belongs to it again.
give_to_bot() {
  local folder=$1 uid gid old_uid old_gid
  IFS=: read -r uid gid < <(sed -n "s/^bot-$r_bot:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1:\2/p" "$PASSWD") || true
  [[ ${uid-} =~ ^[1-9][0-9]*$ && ${gid-} =~ ^[1-9][0-9]*$ ]] || return 1
  IFS=: read -r old_uid old_gid < <(stat --format=%u:%g -- "$folder")
  [[ $uid == "$old_uid" ]] || find "$folder" -xdev -uid "$old_uid" -exec chown --no-dereference "$uid" {} +
  [[ $gid == "$old_gid" ]] || find "$folder" -xdev -gid "$old_gid" -exec chgrp --no-dereference "$gid" {} +
}

# Undoes what has been done of it, and starts the bot.
take_back() {
  local why=$1 home=$FOLDERS/$r_bot
  if [[ -n $r_number && $r_to == in-place && -d $home && $(inode "$home") == "$r_number" ]]; then
    stop_bot || true
    mv --exchange --no-target-directory -- "$r_folder" "$home"
  fi
  start_bot || why+="; and the bot did not start"
  # What it would have had.
  [[ $r_to != in-place || -z $r_folder ]] || rm -rf -- "$r_folder"
  r_folder=""
  ended returned "$why"
}

run_restore() {
  load
  [[ -n $r_phase && $r_phase != "done" ]] || return 0
  # The lock comes first: what a killed run started has ended by then.
  only_one 3600 || refuse busy "a backup is in progress; waited an hour for it"
  load
  local staged=$FOLDERS/.restore/$r_bot home=$FOLDERS/$r_bot
  case $r_phase in
  stopping | swapping)
    take_back "it was interrupted while $r_phase"
    return
    ;;
  starting)
    finish
    return
    ;;
  esac
  # An interrupted download begins again.
  rm -rf -- "$staged"
  install --directory --mode=0711 -- "$FOLDERS/.restore"
  install --directory --mode=0700 --owner="$BACKUP_USER" --group="$BACKUP_USER" -- "$staged"
  printf 'SNAPSHOT=%s\n' "$r_snapshot" >"$RUN_DIR/$r_bot.restore.env"
  restic "clawdlets-restore@$r_bot.service" "$r_bot.restore" "$BACKUP_SECONDS"
  local fetched=$staged$FOLDERS/$r_bot
  if [[ $result != ok ]]; then
    ended returned "$code: $text"
    return
  fi
  if [[ ! -d $fetched || -L $fetched ]]; then
    ended returned "the snapshot does not hold the folder $FOLDERS/$r_bot"
    return
  fi
  r_snapshot=${text:0:8}
  if ! give_to_bot "$fetched"; then
    ended returned "the host has no user bot-$r_bot"
    return
  fi
  local kept=$FOLDERS/.restored
  [[ $r_to != in-place ]] || kept=$FOLDERS/.replaced
  install --directory --mode=0700 -- "$kept"
  # One of each bot is kept: the disk is the bots'.
  rm -rf -- "${kept:?}/$r_bot"
  mv --no-target-directory -- "$fetched" "$kept/$r_bot"
  sync
  r_folder=$kept/$r_bot
  if [[ $r_to == folder ]]; then
    ended restored
    return
  fi
  # One that fails again and again, too: only who was stopped on purpose stays so.
  r_active=1
  [[ $(state_of_unit ActiveState) != inactive ]] || r_active=0
  r_number=$(inode "$r_folder")
  phase stopping
  if ! stop_bot; then
    take_back "the bot did not stop"
    return
  fi
  phase swapping
  if [[ ! -d $home ]]; then install --directory --mode=0700 -- "$home"; fi
  if ! mv --exchange --no-target-directory -- "$r_folder" "$home"; then
    take_back "the folders could not be exchanged"
    return
  fi
  sync
  phase starting
  finish
}
# The old folder is kept in .replaced until the next restore.
finish() {
  if start_bot && stays_up; then
    ended restored
  else
    take_back "the bot does not run with the restored files"
  fi
}

take_order() {
  local verb=$1 id=${2-} bot=${3-} snapshot=${4-} to=${5-}
  case $verb in
  now | check)
    (($# == 1)) || refuse unknown-order "$verb takes nothing else"
    ((${#bots[@]} > 0)) || refuse no-bots "no bot of this host is backed up"
    local unit=clawdlets-backup.service
    [[ $verb == now ]] || unit=clawdlets-backup-check.service
    limited 30 systemctl start --no-block "$unit" >&2 || refuse not-started "systemctl could not start $unit"
    show
    ;;
  list)
    (($# == 1)) || refuse unknown-order "list takes nothing else"
    only_one 60 || refuse busy "a backup or a restore is in progress"
    restic clawdlets-backup-repository@list.service list 300
    [[ $result == ok ]] || refuse "$code" "$code: $text"
    tail --lines=+2 -- "$RUN_DIR/list.out"
    ;;
  restore)
    (($# == 5)) || refuse unknown-order "expected: restore <id> <bot> <snapshot> folder|in-place"
    [[ $id =~ ^[0-9a-f]{16}$ ]] || refuse unknown-order "the id is not 16 hex digits"
    is_bot "$bot" || refuse unknown-bot "no bot of that name is backed up here; allowed: ${bots[*]}"
    [[ $snapshot =~ ^(latest|[0-9a-f]{8,64})$ ]] || refuse unknown-order "the snapshot is neither \"latest\" nor 8 to 64 hex digits"
    [[ $to == folder || $to == in-place ]] || refuse unknown-order "allowed: folder or in-place"
    only_one 60 || refuse busy "a backup or a restore is in progress"
    load
    [[ -z $r_phase || $r_phase == "done" ]] || refuse busy "a restore of $r_bot is in progress"
    r_id=$id r_bot=$bot r_snapshot=$snapshot r_to=$to r_phase=fetching r_result="" r_folder="" r_active="" r_number="" r_why=""
    save
    exec 9>&-
    limited 30 systemctl start --no-block clawdlets-restore.service >&2 || {
      ended returned "systemctl could not start clawdlets-restore.service"
      refuse not-started "systemctl could not start clawdlets-restore.service"
    }
    show
    ;;
  *) refuse unknown-order "unknown order; allowed: now, check, list, restore" ;;
  esac
}

case ${1-} in
"")
  IFS= read -r -n 400 -t 20 order || [[ -n ${order-} ]] || refuse unknown-order "no order on standard input"
  [[ $order =~ ^[a-z]+(\ [a-z0-9_-]+)*$ ]] || refuse unknown-order "unknown order; allowed: now, check, list, restore"
  read -ra words <<<"$order"
  take_order "${words[@]}"
  ;;
run) run ;;
run-check) run_check ;;
run-restore) run_restore ;;
*) refuse unknown-order "it takes no arguments" ;;
esac
