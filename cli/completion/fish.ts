import type { CompletedCommand, Value } from "./table.ts";

/** In fish's single quotes, only these two are special. */
const quoted = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;

/** Arguments of `complete` for a value: what is suggested, and whether files are too. */
function words(value: Value): string {
  if (value === "host") return "-x -a '(__clawdlets_hosts)'";
  if (value === "hosts") return "-x -a '(__clawdlets_host_list)'";
  if (value === "file") return "-r -F";
  return value === "text" ? "-x" : `-x -a ${quoted(value.join(" "))}`;
}

export function fishCompletion(table: readonly CompletedCommand[]): string {
  const paths = table.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  return `# fish completion for clawdlets. Load it: clawdlets completion fish | source
function __clawdlets_hosts
    set -l folder $PWD
    while test -n "$folder" -a ! -f "$folder/Pulumi.yaml"
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
    for file in $folder/stacks/Pulumi.*.yaml
        string replace -rf '.*/Pulumi\\.([A-Za-z0-9-]+)\\.yaml$' '$1' -- $file
    end
end
# A,B: the hosts before the last comma stay.
function __clawdlets_host_list
    set -l before (string match -r '.*,' -- (commandline -ct | string replace -r '^--host=' ''))
    for host in (__clawdlets_hosts)
        echo "$before$host"
    end
end
function __clawdlets_at
    set -l at
    for word in (commandline -opc)[2..]
        set -l next (string trim -- "$at $word")
        contains -- $next ${paths.join(" ")}
        and set at $next
    end
    test "$at" = "$argv[1]"
end
complete -c 'clawdlets' -f
${table.flatMap(linesOf).join("\n")}
`;
}

function linesOf({ path, children, options, argument }: CompletedCommand): string[] {
  const at = `complete -c 'clawdlets' -n ${quoted(`__clawdlets_at ${quoted(path)}`)}`;
  return [
    ...children.map(({ name, about }) => `${at} -a ${name} -d ${quoted(about)}`),
    ...options.map(({ names, about, value }) => {
      const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
      return `${at} ${flags.join(" ")} ${value === undefined ? "" : `${words(value)} `}-d ${quoted(about)}`;
    }),
    ...(argument === undefined ? [] : [`${at} ${words(argument).replace("-x ", "").replace("-r ", "")}`]),
  ];
}
