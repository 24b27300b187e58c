import { columns, totalOf } from "./columns.ts";
import type { HostStatus } from "./status.ts";

const style = `
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .45rem .6rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
tr.ok td:nth-child(2) { color: #16803c; }
tr.problem td:nth-child(2), li { color: #c2410c; }
.wide { overflow-x: auto; }
`;

/** A self-contained HTML page: no scripts, no external resources. */
export function pageOf(hosts: readonly HostStatus[], at: Date): string {
  const head = columns.map(({ title }) => `<th scope="col">${escaped(title)}</th>`).join("");
  const row = (host: HostStatus) =>
    `<tr class="${host.ok ? "ok" : "problem"}">${columns.map(({ text }) => `<td>${escaped(text(host))}</td>`).join("")}</tr>`;
  const problems = hosts.flatMap(({ host, problems: each }) => each.map((problem) => `${host}: ${problem}`));
  const total = totalOf(hosts);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>clawdlets: ${hosts.length} ${hosts.length === 1 ? "host" : "hosts"}</title>
<style>${style}</style>
</head>
<body>
<h1>Hosts</h1>
<p>As seen at <time datetime="${at.toISOString()}">${at.toISOString()}</time>.${total === "" ? "" : ` Total: ${escaped(total)} a month, net.`}</p>
<div class="wide"><table>
<thead><tr>${head}</tr></thead>
<tbody>
${hosts.map(row).join("\n")}
</tbody>
</table></div>
${problems.length === 0 ? "" : `<h2>Problems</h2>\n<ul>${problems.map((each) => `<li>${escaped(each)}</li>`).join("")}</ul>`}
</body>
</html>
`;
}

/** Escapes HTML, since names and messages come from hosts and from Hetzner. */
function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
