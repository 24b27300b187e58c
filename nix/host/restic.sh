#!/usr/bin/env bash
# Runs restic for `clawdlets-backup`, in a unit of its own: as the user clawdlets-backup, with nothing of the host in view but one bot's
# folder. The password and the login of the repository are files that systemd gives to this unit alone; no argument and no variable
# holds them. Settings come from the unit's environment.
#
# arguments  backup BOT · restore BOT · list · check
# out        one line: "ok TEXT", "incomplete TEXT" or "failed CODE TEXT"; after "ok" of list, restic's JSON
# CODE       locked · password · missing · append-only · denied · untrusted · full · corrupt · unreachable · failed
set -euo pipefail
export LC_ALL=C
umask 077

action=$1 bot=${2-}
credentials=$CREDENTIALS_DIRECTORY
export RESTIC_PASSWORD_FILE=$credentials/restic_password RESTIC_CACHE_DIR=$CACHE_DIRECTORY
work=$(mktemp --directory)
trap 'rm -rf -- "$work"' EXIT
options=()
case $KIND in
rest) export RESTIC_REPOSITORY_FILE=$credentials/restic_rest ;;
sftp)
  export RESTIC_REPOSITORY=$REPOSITORY
  # ssh writes to a file: restic ends as soon as the connection is gone, and loses what ssh still had to say.
  options+=(--option "sftp.command=ssh -E $work/ssh -F $SSH_CONFIG -i $credentials/restic_ssh_key clawdlets-repository -s sftp")
  ;;
*)
  # A file, as the environment of a process can be read for as long as it runs.
  export RESTIC_REPOSITORY=$REPOSITORY AWS_SHARED_CREDENTIALS_FILE=$credentials/restic_s3 AWS_EC2_METADATA_DISABLED=true
  ;;
esac
[[ -z ${REGION-} ]] || options+=(--option "s3.region=$REGION")

status=0
# One run of restic, with a limit: what it prints is in $work/out and $work/err.
run() {
  status=0
  rm --force -- "$work/ssh"
  timeout --kill-after=60 "$LIMIT_SECONDS" restic "${options[@]}" "$@" >"$work/out" 2>"$work/restic" </dev/null || status=$?
  cat -- "$work/ssh" "$work/restic" >"$work/err" 2>/dev/null || true
  ((status == 0))
}
said() { grep --quiet --extended-regexp --ignore-case -- "$1" "$work/err"; }
code() {
  # restic 0.17 and later have exit codes for these.
  if ((status == 11)) || said 'already locked'; then
    echo locked
  elif ((status == 12)) || said 'wrong password|no key found'; then
    echo password
  elif said 'no space left|quota|StorageFull|507 |Write: sftp: "Failure"'; then
    # OpenSSH has no other word for a full disk: any failed write that is not about permissions is a "Failure".
    echo full
  elif said 'remove.*(40[35] |forbidden|access ?denied)'; then
    echo append-only
  elif said 'access ?denied|forbidden|40[13] |InvalidAccessKeyId|SignatureDoesNotMatch|permission denied|host key verification failed|remote host identification has changed'; then
    echo denied
  elif said 'x509: |tls: '; then
    echo untrusted
  elif said 'connection refused|unable to connect|bad gateway|no such host|no route|i/o timeout|timed out|dial tcp|proxyconnect|service unavailable|connection reset|unexpectedly exited|EOF$' || ((status == 124 || status == 137)); then
    echo unreachable
  elif ((status == 10)) || said '(config|key|bucket).* does not exist|config.* no such file|404 '; then
    # Not by "Is there a repository", which restic asks whatever the reason was.
    echo missing
  elif said 'ciphertext|invalid data|hash mismatch|hash does not match|does not match|not found in|damaged|contains errors|decrypt|cannot unmarshal|invalid character'; then
    echo corrupt
  else
    echo failed
  fi
}
reason() { grep --text -vE '^(@+.*)?$' "$work/err" | tail --lines=3 | tr -c '[:print:]' ' ' | cut --characters=1-400 || true; }
failed() {
  cat -- "$work/err" >&2
  printf 'failed %s %s\n' "$(code)" "$(reason)"
  exit 1
}
# Another run's lock is waited for. restic removes only locks of processes that are gone: of this host's, or older than half an hour.
unlocked() {
  local deadline=$((SECONDS + LOCK_SECONDS)) locked
  while ! run "$@"; do
    [[ $(code) == locked ]] || return 1
    cp -- "$work/err" "$work/locked" && locked=$status
    run unlock || true
    run "$@" && return 0
    [[ $(code) == locked ]] || return 1
    cp -- "$work/locked" "$work/err" && status=$locked
    ((SECONDS < deadline)) || return 1
    sleep "${LOCK_PAUSE:-15}"
  done
}

# The proxy listens a moment after it has started.
if [[ -n ${PROXY-} ]]; then
  for ((try = 0; try < 100; try++)); do
    (: <>"/dev/tcp/${PROXY%:*}/${PROXY##*:}") 2>/dev/null && break
    sleep 0.1
  done
fi

case $action in
backup)
  if ! run cat config; then
    # Only before the first backup: a repository that is gone must not be replaced by an empty one.
    [[ $(code) == missing && ${MAY_CREATE-} == 1 ]] || failed
    run init || failed
  fi
  unlocked backup --json --host "$HOST_NAME" --tag "$bot" --exclude-file "$EXCLUDES" --one-file-system "$FOLDERS/$bot" || true
  snapshot=$(sed -nE 's/.*"message_type":"summary".*"snapshot_id":"([0-9a-f]+)".*/\1/p' "$work/out")
  if ((status == 3)) && [[ -n $snapshot ]]; then
    # Files that the bot deleted meanwhile do not count. Anything else that could not be read does.
    if grep --text '"message_type":"error"' "$work/err" "$work/out" | grep --quiet --text -vE '"Err":2\b|no such file'; then
      printf 'incomplete %s %s\n' "$snapshot" "$(reason)"
      exit 1
    fi
  elif ((status != 0)) || [[ -z $snapshot ]]; then
    failed
  fi
  if [[ -n ${KEEP-} ]]; then
    # Words, so unquoted.
    # shellcheck disable=SC2086
    unlocked forget --host "$HOST_NAME" --tag "$bot" --group-by host,tags $KEEP || {
      cat -- "$work/err" >&2
      [[ $(code) != append-only ]] || echo "the repository does not let this host delete old backups (docs/backups.md)" >&2
    }
  fi
  printf 'ok %s\n' "$snapshot"
  ;;
list)
  unlocked snapshots --json --host "$HOST_NAME" || failed
  echo ok
  cat -- "$work/out"
  ;;
check)
  unlocked check ${CHECK_SUBSET:+--read-data-subset="$CHECK_SUBSET"} || failed
  [[ -z ${KEEP-} ]] || unlocked prune --max-unused 10% || failed
  echo ok
  ;;
restore)
  # Only a snapshot of this bot: its files are for it alone.
  pattern="$SNAPSHOT[0-9a-f]*" latest=()
  [[ $SNAPSHOT != latest ]] || pattern="[0-9a-f]+" latest=(latest)
  unlocked snapshots --json --host "$HOST_NAME" --tag "$bot" "${latest[@]}" || failed
  found=$(grep --only-matching --text -E "\"id\":\"$pattern\"" "$work/out" | cut --delimiter='"' --fields=4) || true
  if [[ ! $found =~ ^[0-9a-f]{64}$ ]]; then
    printf 'failed missing %s of %s: %s\n' "$SNAPSHOT" "$bot" "$([[ -z $found ]] && echo "there is no such snapshot" || echo "more than one snapshot begins so")"
    exit 1
  fi
  unlocked restore "$found" --target "$TARGET" --verify || failed
  printf 'ok %s\n' "$found"
  ;;
esac
