import { InvalidArgumentError, Option } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { printable } from "../../engine/progress/progress.ts";
import { printJson } from "../shared/output.ts";
import { since } from "../shared/seconds.ts";
import { attach, type Session } from "./_session.ts";

export interface LogOptions {
  since?: string;
  lines: string;
  follow?: boolean;
  json?: boolean;
}

export const logOptions = {
  since: new Option("--since <time>", "start this long ago, e.g. 5m, 2h, 1d").argParser(since),
  lines: new Option("--lines <n>", "number of lines, 1 to 99999").argParser(lines).default("200"),
  follow: new Option("--follow", "keep printing until Ctrl-C").conflicts("json"),
};

/** Prints a unit's journal. */
export async function printLog(session: Session, unit: string, options: LogOptions): Promise<void> {
  const words = ["sudo", "-n", "/run/current-system/sw/bin/journalctl", "--no-pager", "--output=short-iso"];
  words.push(`--unit=${unit}`, `--lines=${options.lines}`);
  if (options.since !== undefined) words.push(`--since=-${options.since}`);
  if (options.follow) {
    process.exitCode = await attach(session, [...words, "--follow"], ["-n"]);
    return;
  }
  const { exitCode, stdout, stderr } = await session.run(words.join(" "));
  if (exitCode !== 0) throw new UserError({ subject: session.host, problem: `${unit}: ${stderr.trim()}` });
  const found = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(printable);
  if (options.json) printJson({ ok: true, host: session.host, unit, lines: found });
  else for (const line of found) process.stdout.write(`${line}\n`);
}

function lines(text: string): string {
  if (/^[1-9][0-9]{0,4}$/.test(text)) return text;
  throw new InvalidArgumentError("Allowed: 1 to 99999.");
}
