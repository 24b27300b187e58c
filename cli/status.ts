import { basename, dirname, resolve } from "node:path";
import { Command } from "commander";
import pMap from "p-map";
import { exitCodes } from "../core/base/exit-codes.ts";
import { gitAnswer } from "../core/base/machine/git-answer.ts";
import { writePublicFile } from "../core/base/machine/private-files.ts";
import { exitCodeOf } from "../core/host/lockdown/prove.ts";
import { findLayout } from "../core/project/layout.ts";
import { listStackFiles } from "../core/project/settings/stack-file.ts";
import { readProjectFile } from "../core/project/state/project-file.ts";
import { checkVault } from "../core/tasks/doctor/vault.ts";
import { pageOf } from "../core/tasks/status/page.ts";
import { type HostStatus, hostStatus } from "../core/tasks/status/status.ts";
import { tableOf } from "../core/tasks/status/table.ts";
import { preview } from "../engine/preview/with-state.ts";
import { printable } from "../engine/progress/progress.ts";
import { stopSignal } from "../engine/signals.ts";
import { chooseHosts, worstOf } from "./shared/hosts.ts";
import { printJson, resultLines, tell } from "./shared/output.ts";

interface Options {
  host?: string;
  drift: boolean;
  json?: boolean;
  html?: string;
}

/** Engines at once: each takes a core for some seconds. */
const previewsAtOnce = { concurrency: 2 };

/** `clawdlets status`: every host at a glance. Changes nothing. */
export function statusCommand(): Command {
  return new Command("status")
    .option("--host <name>", "show one host; the default is all")
    .option(
      "--no-drift",
      "skip the engine's check for drift, which takes seconds per host (always skipped with a program of your own)",
    )
    .option("--html <file>", "write one self-contained page; it CONTAINS ADDRESSES, so keep it out of git")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 every host is as declared, 8 a host is open, 13 cannot tell whether a host is open, 1 anything else.\n\nExamples:\n  clawdlets status\n  clawdlets status --no-drift --json | jq '.hosts[] | {host, ssh}'\n  clawdlets status --html status.html\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const signal = stopSignal();
      const now = new Date();
      const names = options.host === undefined ? listStackFiles(layout) : chooseHosts(layout, { host: options.host });
      const silent = () => undefined;
      // A team's own program is not run for each of its hosts: its `pulumi preview` shows all of them.
      const isAsked = options.drift && readProjectFile(layout).stacksAreHosts;
      const ask = isAsked
        ? async (host: string) =>
            (await preview({ layout, host, environment: process.env, refresh: true, progress: silent })).changes
        : undefined;
      const hosts = await pMap(
        names,
        (host) => hostStatus({ layout, host, environment: process.env, now, signal, ...(ask && { preview: ask }) }),
        previewsAtOnce,
      );
      const ok = hosts.every((each) => each.ok);
      if (hosts.length === 0) resultLines(options.json)("no hosts yet. Add one: clawdlets init");
      if (options.html !== undefined) {
        await writePublicFile(resolve(options.html), pageOf(hosts, now));
        tell(`wrote ${options.html}`);
        if (couldBeCommitted(resolve(options.html))) {
          tell(
            `warning: ${options.html} holds the addresses of your hosts, and git does not ignore it. Add it to .gitignore, or write it outside the repository.`,
          );
        }
      }
      await remindOfVault({ layout, hosts: names });
      if (options.json) printJson({ ok, at: now.toISOString(), hosts });
      else if (hosts.length > 0) process.stdout.write(tableText(hosts));
      if (!ok) process.exitCode = worstOf(hosts.map(exitCodeOfHost));
    });
}

/** Beside the result, which it does not change: a lost disk would take the keys of the hosts with it. */
async function remindOfVault(project: Parameters<typeof checkVault>[0]): Promise<void> {
  for (const finding of await checkVault(project)) {
    if (finding.status === "warning") tell(`warning: ${finding.subject}: ${finding.problem}. ${finding.fix ?? ""}`);
  }
}

/** As of `verify`, and 1 for what is wrong beside that. */
function exitCodeOfHost({ ok, answer = "locked" }: HostStatus): number {
  return ok ? exitCodes.ok : exitCodeOf(answer);
}

/** Whether `git add --all` would take the file; git says 0 for one that is ignored, 128 where there is no repository. */
function couldBeCommitted(path: string): boolean {
  const { exitCode, stderr } = gitAnswer(dirname(path), ["check-ignore", "--quiet", "--", basename(path)]);
  return exitCode === 1 && stderr === "";
}

/** A pipe has no width: there the table is never broken. */
function tableText(hosts: Parameters<typeof tableOf>[0]): string {
  const width = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  return `${tableOf(hosts, width).split("\n").map(printable).join("\n")}`;
}
