import type { Outcome } from "../../core/tasks/fleet/run.ts";
import { printable } from "../../engine/progress/progress.ts";
import { secondsText, stateWords } from "./view.ts";

/** Lines of a summary that say no more: a tool's output may be long. */
const mostDetails = 15;

/**
 * The end of a run: failures first with their reasons, then what was stopped, then one line each for what was left and what
 * went well.
 */
export function summaryLines(
  command: string,
  outcomes: readonly Outcome<unknown>[],
  seconds: number,
  before: number,
): string[] {
  const of = (state: Outcome<unknown>["state"]) => outcomes.filter((outcome) => outcome.state === state);
  const [failed, stopped, left, ok] = [of("failed"), of("stopped"), of("not started"), of("ok")];
  const width = Math.max(...outcomes.map(({ host }) => host.length), 0);
  const lines: string[] = [];
  for (const { host, state, summary, details } of [...failed, ...stopped]) {
    lines.push(`${stateWords[state].padEnd(7)}  ${host.padEnd(width)}  ${printable(summary)}`);
    for (const detail of details.slice(0, mostDetails)) lines.push(`         ${printable(detail)}`);
    if (details.length > mostDetails) lines.push(`         … and ${details.length - mostDetails} more lines`);
  }
  for (const [why, hosts] of byReason(left)) lines.push(`left     ${shortList(hosts)}: ${why}`);
  for (const [what, hosts] of byReason(ok)) lines.push(`ok       ${shortList(hosts)}: ${what}`);
  const counts = [
    failed.length > 0 && `${failed.length} failed`,
    stopped.length > 0 && `${stopped.length} stopped`,
    left.length > 0 && `${left.length} not started`,
    `${ok.length} ok`,
    before > 0 && `${before} succeeded before and were skipped`,
  ].filter((text) => typeof text === "string");
  lines.push(`${command}: ${counts.join(", ")}; ${secondsText(seconds)}`);
  if (failed.length + stopped.length + left.length > 0) {
    lines.push(`${failed.length > 0 ? "Fix it, then continue" : "To continue"}: clawdlets ${command} --resume`);
  }
  return lines;
}

function byReason(outcomes: readonly Outcome<unknown>[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { summary, host } of outcomes) {
    const why = printable(summary);
    groups.set(why, [...(groups.get(why) ?? []), host]);
  }
  return groups;
}

const mostNames = 8;
const shortList = (hosts: readonly string[]): string =>
  hosts.length <= mostNames
    ? hosts.join(", ")
    : `${hosts.slice(0, mostNames).join(", ")} and ${hosts.length - mostNames} more`;
