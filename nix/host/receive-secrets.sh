#!/usr/bin/env bash
# The host's half of `clawdlets secrets sync` and `secrets rotate`. Takes the whole set of a host's secrets on standard
# input and puts it in place in one step, or changes nothing. Run as root by `sudo -n`. What it works on is set by its
# wrapper (SECRETS_DIR, AGE_KEY_FILE, and for tests LOCK_FILE, PASSWORD_MARKER) and never by an argument: then the sudoers rule needs no wildcard.
#
# in    one plain tar of plain files: <name>.yaml, each one secret in sops' format, and perhaps identity.age, the host's
#       next age identity, encrypted to the present one: only ciphertext travels. Then all files have to open with both.
# out   {"ok":true,"changed":…,"recipient":"age1…","files":{"<name>":"<sha256 of the file>",…}}
# exit  0 done · 1 refused or failed, nothing changed · 2 the files are in place, and what came after them failed
set -euo pipefail
export LC_ALL=C # [a-z] are these 26 letters, and there is one order.
umask 077
cd / # sops searches the working directory and those above it for its settings, and the caller chose this one.

fail() {
  printf 'clawdlets-receive-secrets: %s\n' "$1" >&2
  exit "${2:-1}"
}
refuse() { fail "refused, nothing changed: $1"; }

[[ $# == 0 ]] || refuse "it takes no arguments"
name=${SECRETS_DIR##*/}
# All beside its goal: a rename is one step within a file system only. Names with a dot are no host's.
work=${SECRETS_DIR%/*}/.$name.new
previous=${SECRETS_DIR%/*}/.$name.previous
untold=${SECRETS_DIR%/*}/.$name.untold
new_key=$AGE_KEY_FILE.new
allowed=${PASSWORD_MARKER:-/run/clawdlets-password-may-change}
state="nothing changed" failure=1

# Freed when the last child has ended, so what a killed run has left at work is over before the next one begins.
# In a folder of root's alone: whoever may open a lock file can hold the lock.
lock=${LOCK_FILE:-/run/clawdlets-locks/secrets.lock}
install --directory --mode=0700 -- "${lock%/*}"
exec 9>>"$lock"
flock --wait 30 9 || refuse "another run is at work, waited 30 s for it"
trap 'rm -rf -- "$work" "$new_key"' EXIT
trap 'fail "line $LINENO failed ($BASH_COMMAND); $state" "$failure"' ERR
rm -rf -- "$work" "$new_key"
mkdir -p -- "$work/files"

# What came. Judged by tar's listing, before anything of it is on the disk under a name that it chose.
timeout 300 head --bytes=$((256 * 1024 * 1024 + 1)) >"$work/tar" ||
  refuse "the input could not be taken: no end within 300 s, or no room"
size=$(stat --format=%s "$work/tar")
((size <= 256 * 1024 * 1024)) || refuse "more than 256 MiB"
# A tar that was cut between two files reads like a whole one with fewer: only its end, 1024 zero bytes, tells.
((size >= 1024 && $(tail --bytes=1024 "$work/tar" | tr --delete '\0' | wc --bytes) == 0)) ||
  refuse "the tar is not whole: was the connection cut?"
listing=$(tar --list --verbose --numeric-owner --file=- <"$work/tar" 2>/dev/null) || refuse "not a tar"
[[ -n $listing ]] || refuse "no <name>.yaml in the tar"
declare -A seen=()
# Every column has letters of its own, so that no two can be taken for one: of a time that is no date tar shows the number
# alone, and a pattern of "no spaces" then takes the name's first word for the time of day.
columns='^(.)[-rwxsStT]{9} +[0-9]+/[0-9]+ +([0-9]+|[0-9]+,[0-9]+) [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} (.+)$'
while IFS= read -r line; do
  [[ $line =~ $columns ]] || refuse "an entry whose owner, size or time is out of range"
  member=${BASH_REMATCH[3]} size=${BASH_REMATCH[2]}
  [[ ${BASH_REMATCH[1]} == - ]] || refuse "$member: not a plain file"
  [[ $member =~ ^([a-z][a-z0-9_-]{0,62}\.yaml|identity\.age)$ ]] ||
    refuse "$member: neither identity.age nor <name>.yaml with a name of ^[a-z][a-z0-9_-]{0,62}\$"
  [[ -z ${seen[$member]-} ]] || refuse "$member: twice in the tar"
  # By its digits first: bash's numbers begin again after 2^63.
  ((${#size} <= 6 && size <= 256 * 1024)) || refuse "$member: larger than 256 KiB"
  seen[$member]=1
  ((${#seen[@]} <= 1000)) || refuse "more than 1000 files"
done <<<"$listing"
tar --extract --file=- --directory="$work/files" --no-same-owner --touch <"$work/tar"
# What is there is what was listed, whatever tar made of it.
shopt -s dotglob
for entry in "$work/files/"*; do
  member=${entry##*/}
  [[ -n ${seen[$member]-} && -f $entry && ! -L $entry && $(stat --format=%h -- "$entry") == 1 ]] ||
    refuse "$member: not what the tar lists"
done
shopt -u dotglob
chmod 0400 "$work/files/"*
rotates=${seen[identity.age]-}
[[ -z $rotates ]] || mv -- "$work/files/identity.age" "$work/identity.age"
((${#seen[@]} > ${#rotates})) || refuse "no <name>.yaml in the tar"

# With this key file and nothing else: a sops that finds no key there looks into the environment and the home for more.
# Bounded, since sops asks the network about keys of other kinds. What is decrypted goes nowhere.
alone=(env --ignore-environment PATH="$PATH" HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent)
opens() {
  "${alone[@]}" SOPS_AGE_KEY_FILE="$1" timeout 60 \
    sops decrypt --input-type yaml --output-type yaml "$2" </dev/null >/dev/null 2>&1
}
for file in "$work/files/"*; do
  secret=${file##*/} secret=${secret%.yaml}
  # sops leaves a key that ends in _unencrypted as it is, and says nothing. So: this one key, encrypted, and sops' own.
  keys=$(grep --text -Ev '^([[:space:]#]|$)' "$file" | sed -E 's/^"?([^":]*)"?: (ENC\[AES256_GCM,).*/\1: \2/') || true
  [[ $keys == "$secret: ENC[AES256_GCM,"$'\n'"sops:" ]] ||
    refuse "$secret.yaml: not a sops file with one key, \"$secret\", and an encrypted value"
  opens "$AGE_KEY_FILE" "$file" || refuse "$secret.yaml: does not decrypt with the host's present identity"
done
if [[ -n $rotates ]]; then
  "${alone[@]}" timeout 60 age --decrypt --identity "$AGE_KEY_FILE" "$work/identity.age" </dev/null \
    >"$new_key" 2>/dev/null || refuse "identity.age: does not decrypt with the host's present identity"
  chmod 0400 "$new_key"
  [[ $(grep --text -Ev '^(#|$)' "$new_key") =~ ^AGE-SECRET-KEY-1[A-Z0-9]+$ ]] ||
    refuse "identity.age: does not hold exactly one AGE-SECRET-KEY-1 line"
  for file in "$work/files/"*; do
    opens "$new_key" "$file" || refuse "${file##*/}: does not decrypt with the new identity alone"
  done
fi

# Whoever holds admin's ssh key can send secrets, as the recipient is public. The admin's password is what stands between
# that key and root, so it is not one of them, unless root at the console has said so since the last boot.
password() {
  "${alone[@]}" SOPS_AGE_KEY_FILE="$AGE_KEY_FILE" timeout 60 \
    sops decrypt --input-type yaml --output-type json "$1/admin_password_hash.yaml" </dev/null 2>/dev/null
}
if [[ -e $SECRETS_DIR/admin_password_hash.yaml && ! -e $allowed ]]; then
  old=$(password "$SECRETS_DIR") || refuse "admin_password_hash.yaml: the present one cannot be read"
  [[ $(password "$work/files") == "$old" ]] ||
    refuse "admin_password_hash.yaml: another password, or none. To allow it once, as root at the console: touch $allowed"
fi

# The answer, made while nothing has changed yet.
sums() { (cd -- "$1" && sha256sum -- *.yaml) | sed -E 's/^(.{64})  (.*)\.yaml$/"\2":"\1"/' | sort | paste -sd, -; }
files=$(sums "$work/files")
if [[ -n $rotates ]]; then key=$new_key; else key=$AGE_KEY_FILE; fi
recipient=$(age-keygen -y "$key")
answer() { printf '{"ok":true,"changed":%s,"recipient":"%s","files":{%s}}\n' "$1" "${recipient%%$'\n'*}" "$files"; }
if [[ -z $rotates && ! -e $untold && $files == "$(sums "$SECRETS_DIR" 2>/dev/null || true)" ]]; then
  answer false
  exit
fi

# From here on a caller that hangs up stops nothing. A kill can, between any two lines, and then too the key file opens
# every file, as the files come first and open with both keys; and `untold` has the next run tell systemd.
trap '' HUP INT TERM PIPE
: >"$untold"
chmod 0755 "$work/files"
sync
if [[ -d $SECRETS_DIR ]]; then
  mv --exchange --no-target-directory -- "$work/files" "$SECRETS_DIR"
  state="the files are in place" failure=2
  rm -rf -- "$previous"
  mv --no-target-directory -- "$work/files" "$previous"
else
  mv --no-target-directory -- "$work/files" "$SECRETS_DIR"
  state="the files are in place" failure=2
fi
sync # The key file may be on another file system, and must not be on its disk any earlier.
if [[ -n $rotates ]]; then
  mv --force --no-target-directory -- "$new_key" "$AGE_KEY_FILE"
  state="the files and the new identity are in place"
  sync
fi
for action in "restart sops-install-secrets.service" "try-restart clawdlets-secrets.target"; do
  # Both words, so unquoted.
  # shellcheck disable=SC2086
  timeout --kill-after=10 120 systemctl $action >&2 || fail "$state, but systemctl $action failed" 2
done
rm -f -- "$untold" "$allowed"
answer true
