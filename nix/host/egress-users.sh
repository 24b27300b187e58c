# Writes the numbers that users really have into the file that the egress rules include, where they differ from the declared ones.
# Arguments: name:declared-number of each. The file is whole or not there: without it the declared numbers count. PASSWD, FOLDER and
# LOADED are for tests.
set -euo pipefail

folder=${FOLDER:-/run/clawdlets-egress-users}
umask 022
mkdir -p -- "$folder"
lines=""
for user in "$@"; do
  name=${user%:*} declared=${user##*:} number=""
  while IFS=: read -r found _ uid _; do
    if [[ $found == "$name" ]]; then
      number=$uid
      break
    fi
  done <"${PASSWD:-/etc/passwd}"
  if [[ -z $number || $number == "$declared" ]]; then
    continue
  elif [[ ! $number =~ ^[1-9][0-9]*$ ]]; then
    # Root's number would give it what the rules leave to root.
    echo "clawdlets: the user $name has the number \"$number\", so the egress rules cannot name it" >&2
    exit 1
  fi
  echo "clawdlets: $name keeps its number $number ($declared is declared), and the egress rules follow it" >&2
  lines+="redefine uid_$declared = $number"$'\n'
done
printf '%s' "$lines" >"$folder/.users.new"
mv -- "$folder/.users.new" "$folder/users.nft"
