import { shellQuoted } from "../../core/base/wording.ts";
import { hostsFunction } from "./bash.ts";
import type { CompletedCommand, Value } from "./table.ts";

const about = (name: string, text: string) => shellQuoted(`${name.replaceAll(":", "\\:")}:${text}`);

function replies(value: Value): string {
  if (value === "host") return 'compadd -- "${(@f)$(_clawdlets_hosts)}"';
  if (value === "hosts") return 'compset -P "*,"; compadd -qS , -- "${(@f)$(_clawdlets_hosts)}"';
  if (value === "file") return "_files";
  return value === "text" ? "_message value" : `compadd -- ${value.map(shellQuoted).join(" ")}`;
}

export function zshCompletion(table: readonly CompletedCommand[]): string {
  const paths = table.filter(({ path }) => path !== "").map(({ path }) => shellQuoted(path));
  return `#compdef clawdlets
# zsh completion for clawdlets. Load it: source <(clawdlets completion zsh)
${hostsFunction("_clawdlets_hosts")}
_clawdlets() {
  local at="" index
  local -a found
  for ((index = 2; index < CURRENT; index++)); do
    case "\${at:+$at }\${words[index]}" in
      (${paths.join("|")}) at="\${at:+$at }\${words[index]}" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${table.flatMap(valueCases).join("\n")}
  esac
  case "$at" in
${table.map(commandCase).join("\n")}
  esac
}
if [[ \${funcstack[1]} == _clawdlets ]]; then _clawdlets "$@"; else compdef _clawdlets clawdlets; fi
`;
}

function valueCases({ path, options }: CompletedCommand): string[] {
  return options.flatMap(({ names, value }) =>
    value === undefined
      ? []
      : [`    (${names.map((name) => shellQuoted(`${path} ${name}`)).join("|")}) ${replies(value)}; return ;;`],
  );
}

function commandCase({ path, children, options, argument }: CompletedCommand): string {
  const described = options.map((option) => about(option.names[0] ?? "", option.about)).join(" ");
  const optionLines = `found=(${described}); _describe -o option found`;
  const operands =
    children.length > 0
      ? `found=(${children.map((child) => about(child.name, child.about)).join(" ")}); _describe command found`
      : argument === undefined
        ? optionLines
        : replies(argument);
  return `    (${shellQuoted(path)}) if [[ \${words[CURRENT]} == -* ]]; then ${optionLines}; else ${operands}; fi ;;`;
}
