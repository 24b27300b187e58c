import { counted, withoutHost } from "../../base/wording.ts";
import { healthLine } from "../../host/facts/bot-health.ts";
import { columns, nothing, totalOf } from "./columns.ts";
import type { HostStatus } from "./status.ts";
import { style } from "./style.ts";

/** What a page is sorted by, and which hosts it shows: by CSS alone, so that no script has to be allowed. */
const filters = { all: "all", problem: "with problems", ok: "ok" } as const;
const orders = {
  state: "problems first",
  name: "name",
  cost: "cost",
  system: "oldest system",
  secrets: "oldest secret",
  key: "next key to expire",
} as const;

/** A self-contained HTML page: no scripts, no external resources. */
export function pageOf(hosts: readonly HostStatus[], at: Date): string {
  const total = totalOf(hosts);
  const failing = hosts.filter(({ ok }) => !ok).length;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>clawdlets: ${counted(hosts.length, "host")}</title>
<style>${style}</style>
</head>
<body>
<h1>Hosts</h1>
<p>${hosts.length - failing} ok, ${failing} with problems, at <time datetime="${at.toISOString()}">${minuteOf(at.toISOString())} UTC</time>.${total === "" ? "" : ` Total: ${escaped(total)} a month, net.`}</p>
<form>
${choices("show", "Show", filters)}
${choices("order", "Sort by", orders)}
</form>
<main>
${ranked(hosts).join("\n")}
</main>
</body>
</html>
`;
}

function choices(name: string, label: string, values: Readonly<Record<string, string>>): string {
  const buttons = Object.entries(values).map(
    ([value, text], index) =>
      `<label><input type="radio" name="${name}" id="${name}-${value}"${index === 0 ? " checked" : ""}>${text}</label>`,
  );
  return `<fieldset><legend>${label}</legend>${buttons.join("")}</fieldset>`;
}

/** Each card with its place in every order, which the style sheet chooses from. */
function ranked(hosts: readonly HostStatus[]): string[] {
  const byName = (left: HostStatus, right: HostStatus) => left.host.localeCompare(right.host, "en", { numeric: true });
  const rank = (value: (host: HostStatus) => number) => {
    const sorted = [...hosts].sort((left, right) => value(left) - value(right) || byName(left, right));
    return new Map(sorted.map((host, index) => [host, index]));
  };
  const ranks: Record<keyof typeof orders, Map<HostStatus, number>> = {
    name: rank(() => 0),
    state: rank(({ ok }) => (ok ? 1 : 0)),
    cost: rank(({ cost }) => -(cost?.monthlyNet ?? 0)),
    system: rank(({ systemDays = -1 }) => -systemDays),
    secrets: rank(({ secrets }) => -(secrets?.oldestDays ?? -1)),
    key: rank(({ tailnetKeyExpires = "" }) => dayOr(tailnetKeyExpires, Number.MAX_VALUE)),
  };
  return [...hosts].sort(byName).map((host) => {
    const places = Object.entries(ranks).map(([order, places]) => `--${order}:${places.get(host) ?? 0}`);
    return card(host, places.join(";"));
  });
}

const dayOr = (text: string, otherwise: number) => {
  const at = Date.parse(text);
  return Number.isNaN(at) ? otherwise : at;
};

function card(host: HostStatus, places: string): string {
  const [, state, ...facts] = columns;
  const row = (title: string, text: string) => `<div><dt>${escaped(title)}</dt><dd>${breakable(text)}</dd></div>`;
  const known = facts.map(({ title, text }) => ({ title, text: text(host) })).filter(({ text }) => text !== nothing);
  const rows = known.map(({ title, text }) => row(title, text));
  if (host.lastChange !== undefined) rows.push(row("last change", host.lastChange));
  const items = host.problems.map((each) => `<li>${breakable(withoutHost(host.host, each))}</li>`);
  const problems = items.length === 0 ? "" : `\n<ul class="problems">${items.join("")}</ul>`;
  const units = (host.bots ?? []).map((bot) => `<li>${breakable(healthLine(bot))}</li>`);
  const bots = units.length === 0 ? "" : `<details><summary>bots</summary><ul>${units.join("")}</ul></details>`;
  const events = (host.timeline ?? []).map(
    ({ at, text }) => `<li><time datetime="${escaped(at)}">${escaped(minuteOf(at))}</time> ${breakable(text)}</li>`,
  );
  const timeline =
    events.length === 0
      ? ""
      : `<details><summary>timeline</summary><ol class="timeline">${events.join("")}</ol></details>`;
  return `<article class="${host.ok ? "ok" : "problem"}" style="${places}">
<h2><span class="name">${escaped(host.host)}</span> <span class="state">${escaped(state?.text(host) ?? "")}</span></h2>${problems}
<dl>${rows.join("")}</dl>${bots}${timeline}
</article>`;
}

/** `2026-11-27 04:33`, of an ISO 8601 time. */
const minuteOf = (at: string) => at.slice(0, 16).replace("T", " ");

/** Long values may be broken after a separator, never inside a word, a date, an IPv4 address or a version. */
function breakable(text: string): string {
  const parts = escaped(text).split(/(\b\d{4}-\d\d-\d\d\b)/);
  // A browser breaks a line after a hyphen on its own.
  const marked = parts.map((part, index) =>
    index % 2 === 1 ? `<span class="date">${part}</span>` : part.replace(/([/:,_-]|…|\.(?!\d))(?=\S)/g, "$1<wbr>"),
  );
  return marked.join("");
}

/** Escapes HTML, since names and messages come from hosts and from Hetzner. */
function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
