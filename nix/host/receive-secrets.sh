#!/usr/bin/env bash
# The host's half of `clawdlets secrets sync` and `secrets rotate`. Reads a host's complete set of secrets from standard input
# and installs it atomically, or changes nothing. Run as root by `sudo -n`. Its paths come from its wrapper (SECRETS_DIR, AGE_KEY_FILE,
# and for tests LOCK_FILE, PASSWORD_MARKER) and never from an argument, so that the sudoers rule needs no wildcard.
#
# in    an uncompressed tar of regular files: <name>.yaml, each one secret in sops' format, and optionally identity.age, the
#       host's next age identity, encrypted to the current one: only ciphertext travels. Then both must decrypt every file.
# out   {"ok":true,"changed":…,"recipient":"age1…","files":{"<name>":"<sha256 of the file>",…}}
# exit  0 done · 1 refused or failed, nothing changed · 2 the files are installed, but a later step failed
# stderr of a failure ends with two lines: `clawdlets-receive-secrets: code <code>`, then the reason in words. Codes are promises:
#       released versions of clawdlets decide by them.
set -euo pipefail
export LC_ALL=C # [a-z] are these 26 letters, and there is one order.
umask 077
cd / # sops searches for its settings from the working directory upwards, and the caller chose that.

# fail CODE TEXT [STATUS]. The operator's machine decides by the code and shows the text.
fail() {
  printf 'clawdlets-receive-secrets: %s\n' "code $1" "$2" >&2
  exit "${3:-1}"
}
refuse() { fail "$1" "refused, nothing changed: $2"; }

[[ $# == 0 ]] || refuse unknown-order "it takes no arguments"
name=${SECRETS_DIR##*/}
# Staged next to its destination: a rename is atomic only within a file system. No host name contains a dot.
work=${SECRETS_DIR%/*}/.$name.new
previous=${SECRETS_DIR%/*}/.$name.previous
untold=${SECRETS_DIR%/*}/.$name.untold
new_key=$AGE_KEY_FILE.new
allowed=${PASSWORD_MARKER:-/run/clawdlets-password-may-change}
state="nothing changed" failure=1
trap 'fail failed "line $LINENO failed ($BASH_COMMAND); $state" "$failure"' ERR

# Released when the last child exits, so leftovers of a killed run have ended before the next one starts. In a folder that only root
# can enter: anyone who can open a lock file can hold the lock (flock works on read-only descriptors).
lock=${LOCK_FILE:-/run/clawdlets-locks/secrets.lock}
install --directory --mode=0700 -- "${lock%/*}"
exec 9>>"$lock"
flock --wait 30 9 || refuse busy "another run is in progress; waited 30 s for it"
trap 'rm -rf -- "$work" "$new_key"' EXIT
rm -rf -- "$work" "$new_key"
mkdir -p -- "$work/files"

# The input, checked by tar's listing before anything is written under a name that it chose (path traversal).
timeout 300 head --bytes=$((256 * 1024 * 1024 + 1)) >"$work/tar" ||
  refuse cut "could not read the input: it did not end within 300 s, or the disk is full"
size=$(stat --format=%s "$work/tar")
((size <= 256 * 1024 * 1024)) || refuse malformed "more than 256 MiB"
# A tar truncated between two files reads like a complete one with fewer files. Only its end, 1024 zero bytes, tells.
((size >= 1024 && $(tail --bytes=1024 "$work/tar" | tr --delete '\0' | wc --bytes) == 0)) ||
  refuse cut "the tar is truncated: was the connection cut?"
listing=$(tar --list --verbose --numeric-owner --file=- <"$work/tar" 2>/dev/null) || refuse malformed "not a tar"
[[ -n $listing ]] || refuse malformed "no <name>.yaml in the tar"
declare -A seen=()
# Every column has its own character set, so that two columns cannot be mistaken for one: for a time that is not a date, tar prints
# only the number, and a "no spaces" pattern would take the first word of the name for the time of day.
columns='^(.)[-rwxsStT]{9} +[0-9]+/[0-9]+ +([0-9]+|[0-9]+,[0-9]+) [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} (.+)$'
while IFS= read -r line; do
  [[ $line =~ $columns ]] || refuse malformed "an entry whose owner, size or time is out of range"
  member=${BASH_REMATCH[3]} size=${BASH_REMATCH[2]}
  [[ ${BASH_REMATCH[1]} == - ]] || refuse malformed "$member: not a regular file"
  [[ $member =~ ^([a-z][a-z0-9_-]{0,62}\.yaml|identity\.age)$ ]] ||
    refuse malformed "$member: expected identity.age, or <name>.yaml with a name of ^[a-z][a-z0-9_-]{0,62}\$"
  [[ -z ${seen[$member]-} ]] || refuse malformed "$member: twice in the tar"
  # Count the digits first: bash's numbers overflow at 2^63.
  ((${#size} <= 6 && size <= 256 * 1024)) || refuse malformed "$member: larger than 256 KiB"
  seen[$member]=1
  ((${#seen[@]} <= 1000)) || refuse malformed "more than 1000 files"
done <<<"$listing"
tar --extract --file=- --directory="$work/files" --no-same-owner --touch <"$work/tar"
# The extracted files must match the listing.
shopt -s dotglob
for entry in "$work/files/"*; do
  member=${entry##*/}
  [[ -n ${seen[$member]-} && -f $entry && ! -L $entry && $(stat --format=%h -- "$entry") == 1 ]] ||
    refuse malformed "$member: not what the tar lists"
done
shopt -u dotglob
chmod 0400 "$work/files/"*
rotates=${seen[identity.age]-}
[[ -z $rotates ]] || mv -- "$work/files/identity.age" "$work/identity.age"
((${#seen[@]} > ${#rotates})) || refuse malformed "no <name>.yaml in the tar"

# With this key file and nothing else: otherwise sops falls back to keys in the environment and the home folder. Has a timeout,
# because sops uses the network for other kinds of keys. The plain text is discarded.
alone=(env --ignore-environment PATH="$PATH" HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent)
opens() {
  "${alone[@]}" SOPS_AGE_KEY_FILE="$1" timeout 60 \
    sops decrypt --input-type yaml --output-type yaml "$2" </dev/null >/dev/null 2>&1
}
for file in "$work/files/"*; do
  secret=${file##*/} secret=${secret%.yaml}
  # sops silently leaves a key that ends in _unencrypted in plain text. So only this one key, encrypted, and sops' own are allowed.
  keys=$(grep --text -Ev '^([[:space:]#]|$)' "$file" | sed -E 's/^"?([^":]*)"?: (ENC\[AES256_GCM,).*/\1: \2/') || true
  [[ $keys == "$secret: ENC[AES256_GCM,"$'\n'"sops:" ]] ||
    refuse malformed "$secret.yaml: not a sops file with one key, \"$secret\", and an encrypted value"
  opens "$AGE_KEY_FILE" "$file" || refuse wrong-recipient "$secret.yaml: does not decrypt with the host's current identity"
done
if [[ -n $rotates ]]; then
  "${alone[@]}" timeout 60 age --decrypt --identity "$AGE_KEY_FILE" "$work/identity.age" </dev/null \
    >"$new_key" 2>/dev/null || refuse wrong-recipient "identity.age: does not decrypt with the host's current identity"
  chmod 0400 "$new_key"
  [[ $(grep --text -Ev '^(#|$)' "$new_key") =~ ^AGE-SECRET-KEY-1[A-Z0-9]+$ ]] ||
    refuse wrong-identity "identity.age: does not hold exactly one AGE-SECRET-KEY-1 line"
  for file in "$work/files/"*; do
    opens "$new_key" "$file" || refuse wrong-identity "${file##*/}: does not decrypt with the new identity alone"
  done
fi

# Anyone with admin's ssh key can send secrets, as the recipient is public. The admin's password is what separates that key from
# root (privilege escalation), so it cannot be changed this way unless root has allowed it at the console since the last boot.
password() {
  "${alone[@]}" SOPS_AGE_KEY_FILE="$AGE_KEY_FILE" timeout 60 \
    sops decrypt --input-type yaml --output-type json "$1/admin_password_hash.yaml" </dev/null 2>/dev/null
}
if [[ -e $SECRETS_DIR/admin_password_hash.yaml && ! -e $allowed ]]; then
  old=$(password "$SECRETS_DIR") || refuse unreadable "admin_password_hash.yaml: cannot read the current one"
  [[ $(password "$work/files") == "$old" ]] ||
    refuse password "admin_password_hash.yaml: the password differs or is missing. To allow this once, run as root at the console: touch $allowed"
fi

# The answer, prepared before anything changes.
sums() { (cd -- "$1" && sha256sum -- *.yaml) | sed -E 's/^(.{64})  (.*)\.yaml$/"\2":"\1"/' | sort | paste -sd, -; }
files=$(sums "$work/files")
if [[ -n $rotates ]]; then key=$new_key; else key=$AGE_KEY_FILE; fi
recipient=$(age-keygen -y "$key")
answer() { printf '{"ok":true,"changed":%s,"recipient":"%s","files":{%s}}\n' "$1" "${recipient%%$'\n'*}" "$files"; }
if [[ -z $rotates && ! -e $untold && $files == "$(sums "$SECRETS_DIR" 2>/dev/null || true)" ]]; then
  answer false
  exit
fi

# From here on, a caller that hangs up does not stop this. A kill can, between any two lines. Even then the key file decrypts every
# file: the files are installed first, and both keys decrypt them; and `untold` makes the next run restart the services.
trap '' HUP INT TERM PIPE
: >"$untold"
chmod 0755 "$work/files"
sync
if [[ -d $SECRETS_DIR ]]; then
  mv --exchange --no-target-directory -- "$work/files" "$SECRETS_DIR"
  state="the files are installed" failure=2
  rm -rf -- "$previous"
  mv --no-target-directory -- "$work/files" "$previous"
else
  mv --no-target-directory -- "$work/files" "$SECRETS_DIR"
  state="the files are installed" failure=2
fi
sync # The key file may be on another file system, and must not reach its disk before the files.
if [[ -n $rotates ]]; then
  mv --force --no-target-directory -- "$new_key" "$AGE_KEY_FILE"
  state="the files and the new identity are installed"
  sync
fi
for action in "restart sops-install-secrets.service" "try-restart clawdlets-secrets.target"; do
  # Two words, so unquoted.
  # shellcheck disable=SC2086
  timeout --kill-after=10 120 systemctl $action >&2 || fail not-restarted "$state, but systemctl $action failed" 2
done
rm -f -- "$untold" "$allowed"
answer true
