import { columns, totalOf } from "./columns.ts";
import type { HostStatus } from "./status.ts";

/**
 * Hosts as a text table, or as one block per host if it does not fit into `width`, followed by problems.
 * @param width columns of the terminal
 */
export function tableOf(hosts: readonly HostStatus[], width: number): string {
  const rows = [columns.map(({ title }) => title), ...hosts.map((host) => columns.map(({ text }) => text(host)))];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const fits = widths.reduce((sum, each) => sum + each + 2, 0) <= width;
  const line = (row: readonly string[]) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  const blocks = hosts.map((host) => columns.map(({ title, text }) => `${title.padEnd(14)}${text(host)}`).join("\n"));
  const problems = hosts.flatMap(({ host, problems: each }) => each.map((problem) => `${host}: ${problem}`));
  const total = totalOf(hosts);
  return [
    fits ? rows.map(line).join("\n") : blocks.join("\n\n"),
    ...(problems.length > 0 ? ["", ...problems] : []),
    ...(total === "" ? [] : ["", `total: ${total} a month, net`]),
    "",
  ].join("\n");
}
