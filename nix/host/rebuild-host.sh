#!/usr/bin/env bash
# `rebuild-host [--rev <commit>]`: switches this host to a commit of the repository that its configuration names. Run as root
# by `sudo -n`. What it works on is set by its wrapper (REPOSITORY, REF, HOST, CACHE) and never by an argument.
#
# Without --rev it takes the newest commit of REF; with it, one that REF has or had. Any other is refused: GitHub serves the
# commits of every fork under the name of the original, so that a host that takes `github:owner/repo/<any commit>`, as
# upstream's did, is root to whoever holds admin's key and forks the repository.
set -euo pipefail
export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

fail() {
  printf 'rebuild-host: %s\n' "$1" >&2
  exit 1
}
refuse() { fail "refused, nothing changed: $1"; }

rev=
case $# in
  0) ;;
  2)
    [[ $1 == --rev && $2 =~ ^[0-9a-f]{40}$ ]] || refuse "allowed: no argument, or --rev and a commit in full, 40 hex digits"
    rev=$2
    ;;
  *) refuse "allowed: no argument, or --rev and a commit in full, 40 hex digits" ;;
esac

exec 9>>"${LOCK_FILE:-/run/lock/clawdlets-rebuild.lock}"
flock --wait 30 9 || refuse "another run is at work, waited 30 s for it"
[[ -d $CACHE/objects ]] || git init --quiet --bare "$CACHE"
branch=refs/heads/$REF
git -C "$CACHE" fetch --quiet --no-tags --force "$REPOSITORY" "$branch:$branch" ||
  refuse "$REPOSITORY has no branch $REF that can be fetched"
if [[ -z $rev ]]; then
  rev=$(git -C "$CACHE" rev-parse "$branch")
else
  git -C "$CACHE" merge-base --is-ancestor "$rev" "$branch" 2>/dev/null ||
    refuse "$rev is no commit of the branch $REF of $REPOSITORY"
fi
printf 'rebuild-host: switching to %s\n' "$rev" >&2
exec nixos-rebuild switch --flake "git+file://$CACHE?ref=$branch&rev=$rev#$HOST"
