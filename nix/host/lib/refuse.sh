# Sourced by a command of ours that the operator's machine runs, with its name and, if not 1, the exit status of a refusal. The last two
# lines that the command prints on stderr are then `<name>: code <code>` and the reason in words. The operator's machine decides by
# the code and shows the words.
command_name=$1 refusal_status=${2:-1} refused=""

say() { printf '%s: %s\n' "$command_name" "$1" >&2; }

# refuse CODE TEXT [STATUS]
refuse() {
  refused=yes
  say "code $1"
  say "refused, nothing changed: $2"
  exit "${3:-$refusal_status}"
}

# For `trap … EXIT`: whatever else ends the command, e.g. a full disk or a missing program, has a code as well.
unexpected() {
  local status=$?
  ((status != 0)) && [[ -z $refused ]] || return 0
  say "code failed"
  say "it failed with exit status $status"
}
