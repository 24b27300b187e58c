import type { CompletedCommand, CompletedOption, Value } from "./table.ts";

/** Functions that bash and zsh share. Hosts are read from `stacks/` at each Tab, which takes no process. */
export const hostsFunction = (name: string): string => `${name}() {
  local folder=$PWD file
  while [[ -n $folder && ! -f $folder/Pulumi.yaml ]]; do folder=\${folder%/*}; done
  [[ -d $folder/stacks ]] || return 0
  while IFS= read -r file; do
    file=\${file#Pulumi.} file=\${file%.yaml}
    # compgen runs what stands in $(…), and a checkout may hold any file name.
    [[ $file =~ ^[A-Za-z0-9-]+$ ]] && printf '%s\\n' "$file"
  done < <(command ls "$folder/stacks" 2>/dev/null | command grep '^Pulumi\\..*\\.yaml$')
  return 0
}`;

/** The words of a value, as shell code that fills COMPREPLY. */
function replies(value: Value): string {
  if (value === "host") return '_clawdlets_reply "$(_clawdlets_hosts)"';
  if (value === "hosts") return "_clawdlets_reply_hosts";
  if (value === "file") return "compopt -o default";
  return value === "text" ? ":" : `_clawdlets_reply "${value.join(" ")}"`;
}

export function bashCompletion(table: readonly CompletedCommand[]): string {
  const paths = table.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  return `# bash completion for clawdlets. Load it: eval "$(clawdlets completion bash)"
${hostsFunction("_clawdlets_hosts")}
_clawdlets_reply() {
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}
# A,B: the hosts before the last comma stay.
_clawdlets_reply_hosts() {
  local before=
  [[ $cur == *,* ]] && before=\${cur%,*},
  cur=\${cur##*,} _clawdlets_reply "$(_clawdlets_hosts)"
  COMPREPLY=("\${COMPREPLY[@]/#/$before}")
}
_clawdlets() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at= index
  COMPREPLY=()
  # --host=web-1 is three words to bash.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${at:+$at }\${COMP_WORDS[index]}" in
    ${paths.join("|")}) at="\${at:+$at }\${COMP_WORDS[index]}" ;;
    esac
  done
  case "$at $prev" in
${table.flatMap(valueCases).join("\n")}
  esac
  case "$at" in
${table.map(commandCase).join("\n")}
  esac
}
complete -F _clawdlets clawdlets
`;
}

function valueCases({ path, options }: CompletedCommand): string[] {
  return options.flatMap(({ names, value }) =>
    value === undefined
      ? []
      : [`  ${names.map((name) => `"${path} ${name}"`).join("|")}) ${replies(value)}; return ;;`],
  );
}

function commandCase({ path, children, options, argument }: CompletedCommand): string {
  const names = options.flatMap((option: CompletedOption) => option.names[0] ?? []);
  const operands =
    children.length > 0
      ? `_clawdlets_reply "${children.map(({ name }) => name).join(" ")}"`
      : argument === undefined
        ? `_clawdlets_reply "${names.join(" ")}"`
        : replies(argument);
  return `  "${path}") if [[ $cur == -* ]]; then _clawdlets_reply "${names.join(" ")}"; else ${operands}; fi ;;`;
}
