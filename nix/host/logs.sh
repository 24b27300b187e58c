#!/usr/bin/env bash
# Prints the journal of the whole host, or of one unit. Run as root by `sudo -n`, which allows it without arguments only: what is asked
# for comes on standard input, one key=value a line, up to an empty line. So neither sudoers nor a shell reads a value, and each reaches
# journalctl as one word that begins with the option it belongs to: "--since=…" cannot become another option.
#
# in    unit=sshd.service  since=2 hours ago  until=…  lines=200  follow=yes     each optional, in any order, once
# exit  journalctl's, or 2 for a request that is refused
# stderr  of a failure ends with two lines: `clawdlets-logs: code <code>`, then the reason in words. Codes are promises: released
#         versions of clawdlets decide by them. unknown-order · bad-value · bad-time · failed. With follow=yes, journalctl's own words.
set -euo pipefail
export LC_ALL=C # [A-Za-z] are these 52 letters.

# shellcheck source=lib/refuse.sh
source "${BASH_SOURCE[0]%/*}/lib/refuse.sh" clawdlets-logs 2
trap unexpected EXIT
[[ $# == 0 ]] || refuse unknown-order "it takes no arguments"

declare -A given=()
ended=""
for _ in 1 2 3 4 5 6; do
  line=""
  # A line that is cut off by the end of input counts as well.
  IFS= read -r -t 20 -n 300 line || [[ -n $line ]] || { ended=yes && break; }
  [[ -n $line ]] || { ended=yes && break; }
  [[ $line == *=* ]] || refuse unknown-order "a line is not key=value"
  key=${line%%=*} value=${line#*=}
  case $key in
    # No wildcards: journalctl would match other units. No leading "-" or "/": the latter names a device or a mount point.
    unit) shape='^[A-Za-z0-9@_][A-Za-z0-9@_.:\\-]{0,199}\.(service|socket|timer|target|slice|scope|mount|path)$' ;;
    # Every form of systemd.time(7): 2026-11-27 10:00:00 Europe/Berlin, yesterday, -90min, "3 days ago", @1764234000.
    since | until) shape='^[A-Za-z0-9@+-][A-Za-z0-9 :.+/_-]{0,63}$' ;;
    lines) shape='^[1-9][0-9]{0,4}$' ;;
    follow) shape='^yes$' ;;
    *) refuse unknown-order "an unknown key" ;;
  esac
  [[ $value =~ $shape ]] || refuse bad-value "the value of $key is malformed"
  [[ -z ${given[$key]:-} ]] || refuse unknown-order "$key is given twice"
  given[$key]=$value
done
[[ -n $ended ]] || refuse unknown-order "no empty line at the end"

# Without --no-pager root's pager would start, and a pager starts a shell.
words=(--no-pager --output=short-iso "--lines=${given[lines]:-200}")
for key in unit since until; do
  [[ -z ${given[$key]:-} ]] || words+=("--$key=${given[$key]}")
done
# The one who follows sees its errors; it has to end as soon as they leave.
[[ -z ${given[follow]:-} ]] || exec journalctl "${words[@]}" --follow </dev/null
status=0
{ errors=$(journalctl "${words[@]}" </dev/null 2>&1 >&3 3>&-) || status=$?; } 3>&1
[[ -z $errors ]] || printf '%s\n' "$errors" >&2
# Only journalctl knows every form of systemd.time(7).
[[ $status == 0 || $errors != *"Failed to parse timestamp: "* ]] || refuse bad-time "not a time: ${errors##*timestamp: }"
exit "$status"
