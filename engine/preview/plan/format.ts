import { markdownText, problemLine } from "../../../core/base/problem.ts";
import { counted, safeText } from "../../../core/base/wording.ts";
import type { Difference } from "../../../core/project/trust/difference.ts";
import type { HostReport, PreviewReport } from "./report.ts";
import type { LocatedProblem } from "./stack-checks.ts";

/** How a report is written: for a terminal, a pull request, or a program. */
export const formats = ["text", "markdown", "json"] as const;
export type Format = (typeof formats)[number];

export function formatReport(report: PreviewReport, format: Format): string {
  if (format === "json") return `${JSON.stringify(jsonOf(report))}\n`;
  return format === "markdown" ? markdown(report) : plain(report);
}

export const jsonOf = (report: PreviewReport) => ({ ok: report.verdict !== "invalid", ...report });

const heading = ({ comparedWith, verdict, hosts }: PreviewReport) =>
  `${counted(hosts.length, "host")}, ${verdict}; compared with ${comparedWith}`;

const atLine = ({ at, ...problem }: LocatedProblem) => ({ ...problem, subject: `${at.file}:${at.line}` });

/** Everything that can be said of a host beside its row, each as one sentence that begins with its kind. */
function remarks(host: HostReport): string[] {
  return [
    ...host.problems.map((problem) => `invalid: ${problemLine(atLine(problem))}`),
    ...host.dangers.map(({ kind, resource, message }) => `${kind}: ${resource} ${message}`),
    ...differenceLines(host.differences),
    ...host.violations.map(
      ({ rule, resource, message, mandatory }) =>
        `${mandatory ? "refused" : "advice"} (${rule}): ${resource} ${message}`,
    ),
    ...host.notes.map((note) => `note: ${note}`),
  ].map((text) => safeText(text.replace(/\s*\n\s*/g, " ")));
}

/** Harmless ones are counted beyond this: a branch may change hundreds of files. */
const maxHarmless = 20;

/** `trust: flake.lock nodes.nixpkgs.locked.owner: "NixOS" → "them"` */
function differenceLines(differences: readonly Difference[]): string[] {
  const lineOf = ({ file, setting, before, after, why }: Difference) => {
    const name = setting === undefined ? file : file.startsWith("stacks/") ? setting : `${file} ${setting}`;
    const values =
      before === undefined && after === undefined ? undefined : `${before ?? "(none)"} → ${after ?? "(none)"}`;
    return [name, why, values].filter((part) => part !== undefined).join(": ");
  };
  const harmless = differences.filter(({ dangerous }) => !dangerous);
  const more = harmless.length - maxHarmless;
  return [
    ...differences.filter(({ dangerous }) => dangerous).map((each) => `trust: ${lineOf(each)}`),
    ...harmless.slice(0, maxHarmless).map((each) => `changed: ${lineOf(each)}`),
    ...(more > 0 ? [`changed: ${more} more, all of them in --format json`] : []),
  ];
}

function changesText({ changes, differences, verdict }: HostReport, comparedWith: string): string {
  if (verdict === "invalid") return "not previewed";
  if (comparedWith === "nothing") return "";
  const settings = differences.map(({ file, setting }) => setting?.replace(/^clawdlets:/, "") ?? file);
  const all = [
    ...changes.map(
      ({ op, kind, properties }) => `${op} ${kind}${properties.length > 0 ? ` (${properties.join(", ")})` : ""}`,
    ),
    ...(settings.length > 0 ? [`set ${[...new Set(settings)].join(", ")}`] : []),
  ];
  return all.length > 0 ? all.join("; ") : "none";
}

function dangerText({ dangers, differences, violations }: HostReport): string {
  const kinds = [
    ...dangers.map(({ kind }) => kind),
    ...(differences.some(({ dangerous }) => dangerous) ? ["trust"] : []),
  ];
  const refused = violations.filter(({ mandatory }) => mandatory).map(({ rule }) => rule);
  return [...new Set([...kinds, ...refused])].join(", ");
}

function markdown(report: PreviewReport): string {
  const rows = report.hosts.map((host) =>
    [mark[host.verdict], code(host.host), host.exists, changesText(host, report.comparedWith), dangerText(host)]
      .map(cell)
      .join(" | "),
  );
  const details = report.hosts.flatMap((host) => {
    const lines = remarks(host);
    return lines.length === 0 ? [] : [`\n#### ${code(host.host)}\n`, ...lines.map((line) => `- ${markdownText(line)}`)];
  });
  const shared = differenceLines(report.differences);
  return [
    `### clawdlets preview: ${markdownText(heading(report))}\n`,
    "| | host | would exist | changes | dangerous |\n| --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row} |`),
    ...details,
    ...(shared.length === 0
      ? []
      : ["\n#### Files of every host\n", ...shared.map((line) => `- ${markdownText(line)}`)]),
    ...report.notes.map((note) => `\n_${markdownText(note)}_`),
    "",
  ].join("\n");
}

const mark = {
  clean: "✅ clean",
  changes: "🔷 changes",
  dangerous: "⛔ **dangerous**",
  invalid: "❌ **invalid**",
} as const;
const code = (text: string) => `\`${text.replaceAll("`", "'")}\``;
const cell = (text: string) =>
  text.startsWith("`") || /^[✅🔷⛔❌]/u.test(text) ? text.replaceAll("|", "\\|") : markdownText(text);

function plain(report: PreviewReport): string {
  const width = Math.max(4, ...report.hosts.map(({ host }) => host.length));
  const rows = report.hosts.flatMap((host) => {
    const changes = changesText(host, report.comparedWith);
    const parts = [host.verdict.padEnd(9), host.host.padEnd(width), host.exists, changes, dangerText(host)];
    return [safeText(parts.filter((part) => part !== "").join("  ")), ...remarks(host).map((line) => `    ${line}`)];
  });
  const shared = differenceLines(report.differences).map((line) => safeText(line));
  return [heading(report), ...rows, ...shared, ...report.notes.map((note) => `note: ${note}`), ""].join("\n");
}
