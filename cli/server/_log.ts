import { InvalidArgumentError, Option } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { logsCommand, requestText, timePattern } from "../../core/host/reach/journal-request.ts";
import { type Refusal, readRefusal, refusedInWords } from "../../core/host/reach/refusal.ts";
import { printable } from "../../engine/progress/progress.ts";
import { printJson } from "../shared/output.ts";
import { isShortTime } from "../shared/seconds.ts";
import { attach, type Session } from "./_session.ts";

export interface LogOptions {
  since?: string;
  until?: string;
  lines: string;
  follow?: boolean;
  json?: boolean;
}

export const logOptions = {
  since: new Option("--since <time>", "start here: 5m, 2h, yesterday, '2026-11-27 10:00'").argParser(time),
  until: new Option("--until <time>", "end here, in the same forms").argParser(time).conflicts("follow"),
  lines: new Option("--lines <n>", "number of lines, 1 to 99999").argParser(lines).default("200"),
  follow: new Option("--follow", "keep printing until Ctrl-C").conflicts("json"),
};

/** Prints the journal of a unit, or of the whole host. */
export async function printLog(session: Session, unit: string | undefined, options: LogOptions): Promise<void> {
  const { host } = session;
  const { command, input } = commandFor(unit, options);
  if (options.follow) {
    process.exitCode = await attach(session, command, input === undefined ? ["-n"] : [], input);
    return;
  }
  const { exitCode, stdout, stderr } = await session.run(command.join(" "), input === undefined ? {} : { input });
  if (exitCode !== 0) throw refusedLog(host, unit, readRefusal(stderr, exitCode), input !== undefined);
  const found = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(printable);
  if (options.json) printJson({ ok: true, host, unit: unit ?? null, lines: found });
  else for (const line of found) process.stdout.write(`${line}\n`);
}

/** A unit of ours with a short time is allowed on every host by its own line of sudoers, also by one whose system is older. */
const hasOwnLine = (unit: string | undefined, { since, until }: LogOptions): unit is string =>
  /^clawd(?:bot-|lets-(?:egress-proxy-|activation))/.test(unit ?? "") &&
  until === undefined &&
  (since === undefined || isShortTime(since));

function commandFor(unit: string | undefined, options: LogOptions): { command: string[]; input?: string } {
  const { since, until, lines: count, follow } = options;
  // journalctl does not take "5m" for a time, but "-5m" for five minutes ago.
  const from = since !== undefined && isShortTime(since) ? `-${since}` : since;
  const to = until !== undefined && isShortTime(until) ? `-${until}` : until;
  if (!hasOwnLine(unit, options)) {
    const input = requestText({ unit, since: from, until: to, lines: count, follow });
    return { command: logsCommand.split(" "), input };
  }
  const words = ["sudo", "-n", "/run/current-system/sw/bin/journalctl", "--no-pager", "--output=short-iso"];
  words.push(`--unit=${unit}`, `--lines=${count}`);
  if (from !== undefined) words.push(`--since=${from}`);
  if (follow) words.push("--follow");
  return { command: words };
}

/** What to do about it. @param isOurs whether nix/host/logs.sh was asked, and not journalctl itself */
export function refusedLog(host: string, unit: string | undefined, refusal: Refusal, isOurs: boolean): UserError {
  const { said, code = codeBeforeCodes(said), isMissing } = refusal;
  const problem = `${unit ?? "its journal"}: ${refusal.code === undefined ? said : refusedInWords(refusal)}`;
  if (code === "bad-time") {
    const fix = "Allowed: what systemd.time(7) has, e.g. 2h, yesterday or '2026-11-27 10:00'.";
    return new UserError({ subject: host, problem, fix }, { exitCode: exitCodes.usage });
  }
  const isOld = isOurs && (isMissing || code === "unknown-order");
  const fix = `The host's system is older than this command: clawdlets rebuild --host ${host}`;
  return new UserError({ subject: host, problem, ...(isOld && { fix }) });
}

/** From a system without codes, these are journalctl's own words. */
const codeBeforeCodes = (said: string) => (said.startsWith("Failed to parse timestamp") ? "bad-time" : undefined);

function time(text: string): string {
  if (timePattern.test(text)) return text;
  throw new InvalidArgumentError("a time such as 5m, 2h, yesterday or '2026-11-27 10:00'");
}

function lines(text: string): string {
  if (/^[1-9][0-9]{0,4}$/.test(text)) return text;
  throw new InvalidArgumentError("1 to 99999");
}
