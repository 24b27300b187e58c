import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { findLayout } from "../../core/project/layout.ts";
import { readAccess } from "../../core/project/settings/access.ts";
import { deleteBaked, findDeletable } from "../../core/tasks/images/baked.ts";
import { askLine } from "../shared/ask.ts";
import { leavesWhenStopped } from "../shared/ending.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { inWords } from "./_words.ts";

interface Options {
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

/** `clawdlets image delete`: deletes a snapshot that `image bake` has made. */
export function deleteCommand(): Command {
  return new Command("delete")
    .argument("<id>", "the snapshot, as `image list` shows it", snapshotId)
    .option("--dry-run", "check, and delete nothing")
    .option("--yes", "do not ask for confirmation")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nRefuses a snapshot that `image bake` did not make, and one that a stack file names. Servers that started from it stay.\n\nExamples:\n  clawdlets image delete 250000001 --dry-run\n  clawdlets image delete 250000001 --yes --json\n",
    )
    .action(async (id: number, options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      const hetzner = createHetzner(readAccess(layout, "", process.env));
      const found = await findDeletable(hetzner, layout, id);
      if (options.dryRun) {
        say(`would delete ${inWords(found)}`);
        print(options.json, { ok: true, dryRun: true, ...found });
        return;
      }
      if (!options.yes) await confirm(inWords(found), id);
      leavesWhenStopped("The snapshot may already be gone. Check: clawdlets image list");
      await deleteBaked(hetzner, found);
      say(`deleted ${inWords(found)}`);
      print(options.json, { ok: true, dryRun: false, ...found });
    });
}

function snapshotId(text: string): number {
  if (!/^[1-9][0-9]{0,15}$/.test(text)) throw new InvalidArgumentError("an id of Hetzner's, e.g. 250000001");
  return Number(text);
}

async function confirm(what: string, id: number): Promise<void> {
  const subject = `image ${id}`;
  const usage = { exitCode: exitCodes.usage };
  if (!process.stdin.isTTY) {
    const problem = "asks before it deletes, which needs a terminal.";
    throw new UserError({ subject, problem, fix: "Pass --yes." }, usage);
  }
  const answer = await askLine(`This deletes ${what}. Type "delete" to continue: `);
  if (answer !== "delete") throw new UserError({ subject, problem: "not deleted." }, usage);
}
