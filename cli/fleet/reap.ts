import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { findLayout } from "../../core/project/layout.ts";
import { findOutlived, needsYes, type Outlived, retryGone } from "../../core/tasks/groups/outlived.ts";
import { reap } from "../../engine/reap.ts";
import { plainOption, withProgress } from "../screen/index.ts";
import { askLine } from "../shared/ask.ts";
import { jsonOption, print, resultLines, tell } from "../shared/output.ts";

interface Options {
  group?: string;
  dryRun?: boolean;
  yes?: boolean;
  plain?: boolean;
  json?: boolean;
}

/** `clawdlets reap`: destroys hosts of groups that have outlived their time. */
export function reapCommand(): Command {
  return new Command("reap")
    .option("--group <name>", "only this group")
    .option("--dry-run", "list the hosts, and change nothing")
    .option("--yes", "do not ask for confirmation")
    .option(...plainOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets reap --dry-run\n  clawdlets reap --group workers --yes\n  clawdlets reap --yes --json\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      const found = findOutlived(layout, new Date(), options.group);
      for (const { host, createdAt, expiredAt } of found)
        say(`${host}: created ${createdAt}, outlived its time ${expiredAt}`);
      const hosts = found.map(({ stack: _, slot: __, ...each }) => each);
      if (!options.dryRun) {
        if (found.length > 0) await destroy(found, options);
        await retryGone(layout, process.env, tell);
        for (const { host } of found)
          say(`${host}: destroyed; its keys and secrets are kept in .clawdlets/gone/${host}`);
      }
      if (found.length === 0) say("no host has outlived its time");
      print(options.json, { ok: true, dryRun: options.dryRun === true, hosts });
    });
}

async function destroy(found: readonly Outlived[], options: Options): Promise<void> {
  const names = found.map(({ host }) => host).join(", ");
  if (!options.yes) await confirm(names, found.length);
  const layout = findLayout(process.cwd());
  await withProgress(`reap: ${names}`, options, (progress) =>
    reap({ layout, found, environment: process.env, progress }),
  );
}

async function confirm(names: string, count: number): Promise<void> {
  if (!process.stdin.isTTY) throw needsYes(names);
  const servers = count === 1 ? "this server and its disk" : `these ${count} servers and their disks`;
  const answer = await askLine(`This deletes ${servers}: ${names}. Type "reap" to continue: `);
  if (answer !== "reap") throw new UserError({ subject: names, problem: "not reaped." }, { exitCode: exitCodes.usage });
}
