import { once } from "node:events";
import { constants, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join, relative } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import { hasCode, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { readFolder } from "../core/base/machine/private-files.ts";
import { readJournal } from "../core/host/journal.ts";
import { findLayout, type HostLayout, hostLayoutOf } from "../core/project/layout.ts";
import { printable } from "../engine/progress/progress.ts";
import { onFirstStopRequest } from "../engine/signals.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson } from "./shared/output.ts";

interface Options {
  host?: string;
  follow?: boolean;
  list?: boolean;
  json?: boolean;
}

/** `clawdlets logs`: what the installer printed, from this machine's files alone. */
export function logsCommand(): Command {
  return new Command("logs")
    .option("--host <name>", "the host; optional if there is only one")
    .addOption(new Option("--follow", "keep printing until the installation ends, or Ctrl-C").conflicts("json"))
    .addOption(new Option("--list", "list all logs of the host, with time and size in bytes").conflicts("follow"))
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExamples:\n  clawdlets logs --follow\n  clawdlets logs --host web-1 --list\n")
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const name = chooseHost(layout, options.host);
      const host = hostLayoutOf(layout, name);
      // EPIPE, as with `clawdlets logs | head`: the reader has closed the pipe.
      process.stdout.on("error", (error) => {
        if (hasCode(error, "EPIPE")) process.exit(exitCodes.ok);
      });
      if (options.list) return list(host, name, options.json);
      const stop = new AbortController();
      onFirstStopRequest(() => stop.abort());
      const follows = () => options.follow === true && !stop.signal.aborted && isRunning(host);
      while (!isOfThisRun(host) && follows()) await pause(stop.signal);
      const log = newestLog(host);
      if (log === undefined) {
        if (stop.signal.aborted) return;
        const where = relative(layout.root, host.logs);
        throw new UserError({
          subject: name,
          problem: `no installer log in ${where}. The first "clawdlets up" of a host makes one.`,
        });
      }
      const lines: string[] = [];
      const take = async (line: string) => {
        if (options.json) lines.push(printable(line));
        else if (!process.stdout.write(`${printable(line)}\n`)) await once(process.stdout, "drain");
      };
      await readLines(join(host.logs, log), take, follows, stop.signal);
      if (options.json) {
        const file = relative(layout.root, join(host.logs, log));
        printJson({ ok: true, host: name, file, lines });
      }
      if (options.follow && !stop.signal.aborted) {
        const state = readJournal(host.journal)?.state;
        process.stderr.write(`${name}: the installation ${state === "failed" ? "failed" : "is not running"}\n`);
      }
    });
}

const isRunning = (host: HostLayout) => readJournal(host.journal)?.state === "running";

/** Their names hold the time at which they begin. */
const newestLog = (host: HostLayout) => readFolder(host.logs).findLast((name) => /^install-.*\.log$/.test(name));

/** Whether the newest log is the journal's, and not one of a run before it that is not yet as far as its installer. */
function isOfThisRun(host: HostLayout): boolean {
  const startedAt = readJournal(host.journal)?.startedAt ?? "";
  return (newestLog(host) ?? "") >= `install-${startedAt.replaceAll(/[:.]/g, "-")}`;
}

const pause = (signal: AbortSignal) => sleep(250, undefined, { signal }).catch(() => undefined);

function list(host: HostLayout, name: string, json: boolean | undefined): void {
  const logs = readFolder(host.logs)
    .filter((file) => file.endsWith(".log"))
    .map((file) => {
      const { size, mtime } = statSync(join(host.logs, file));
      return { name: file, bytes: size, modifiedAt: mtime.toISOString().replace(/\.\d+Z$/, "Z") };
    });
  if (json) printJson({ ok: true, host: name, logs });
  else
    for (const { name: file, bytes, modifiedAt } of logs) {
      process.stdout.write(`${String(bytes).padStart(10)}  ${modifiedAt}  ${printable(file)}\n`);
    }
}

/** Hands over line by line what is in a file, and while `follows` what comes, at last a line without an end. */
async function readLines(
  path: string,
  take: (line: string) => Promise<void>,
  follows: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const decoder = new StringDecoder("utf8");
    let rest = "";
    for (;;) {
      // Asked before reading: what was written until the end is then still read.
      const more = follows();
      for await (const chunk of chunks(file)) {
        const lines = (rest + decoder.write(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) await take(line);
      }
      if (!more) break;
      await pause(signal);
    }
    rest += decoder.end();
    if (rest !== "") await take(rest);
  } finally {
    await file.close();
  }
}

async function* chunks(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(65_536);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
