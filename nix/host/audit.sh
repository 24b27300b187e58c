#!/usr/bin/env bash
# Prints what is in force on this host, for `clawdlets server audit`, as one line of JSON. Reads only, and prints names, owners and modes of
# secrets, never their contents. Run as root by `sudo -n`, without arguments and without input.
#
# SECRET_PATHS   files and folders whose owner and mode count, one a line
# SSHD           sshd itself: it prints its effective settings only under its own path
#
# exit    0, 2 if refused, or that of the program that failed
# stderr  of a failure ends with two lines: `clawdlets-audit: code <code>`, then the reason in words. Codes are promises: released
#         versions of clawdlets decide by them. unknown-order · failed
set -euo pipefail
export LC_ALL=C

# shellcheck source=lib/refuse.sh
source "${BASH_SOURCE[0]%/*}/lib/refuse.sh" clawdlets-audit 2
trap unexpected EXIT
[[ $# == 0 ]] || refuse unknown-order "it takes no arguments"
mapfile -t paths < <(printf '%s\n' "$SECRET_PATHS")

# A part that cannot be read is null: the others still count.
part() { timeout --kill-after=5 20 "$@" 2>/dev/null || true; }
# As for a login of admin, so that Match blocks count.
sshd=$(part "$SSHD" -T -C user=admin,host=host,addr=192.0.2.1)
nft=$(part nft --json list ruleset)
sockets=$(part ss --no-header --listening --tcp --udp --numeric --processes)
# Of the folders, everything below them; links are not followed.
files=$(part find "${paths[@]}" -printf '%m %U %G %y %p\n')
tailscale=$(part tailscale status --json --peers=false)
[[ -n $nft ]] || nft=null
[[ -n $tailscale ]] || tailscale=null

jq --null-input --compact-output \
  --arg sshd "$sshd" --arg sockets "$sockets" --arg files "$files" \
  --slurpfile nft <(printf '%s' "$nft") --slurpfile tailscale <(printf '%s' "$tailscale") '
  def lines: split("\n") | map(select(. != ""));
  {
    sshd: ($sshd | lines),
    sockets: ($sockets | lines),
    files: ($files | lines),
    nft: ($nft[0].nftables // null),
    tailscale: ($tailscale[0] | if . == null then null else
      {BackendState, Health, KeyExpiry: .Self.KeyExpiry, Online: .Self.Online, Tags: .Self.Tags} end)
  }'
