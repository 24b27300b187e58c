import { existsSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { counted } from "../../core/base/wording.ts";
import { findLayout, type Layout } from "../../core/project/layout.ts";
import { listStackFiles } from "../../core/project/settings/stack-file.ts";
import { readProjectFile } from "../../core/project/state/project-file.ts";
import { forgetLost, planRestore, type RestorePlan, restoreFiles } from "../../core/tasks/secrets/restore.ts";
import { jsonOption, print, type ResultLine, resultLines } from "../shared/output.ts";

interface Options {
  from?: number;
  yes?: boolean;
  dryRun?: boolean;
  forget?: boolean;
  json?: boolean;
}

/** `clawdlets secrets restore`: restores deleted files of `.clawdlets`. */
export function restoreCommand(): Command {
  return new Command("restore")
    .argument("[paths...]", "restore only these files or folders of .clawdlets")
    .option("--from <version>", "use this version of the copy; the default is the newest", versionNumber)
    .option("--yes", "overwrite files that differ; their current contents are saved as a version of the copy")
    .option("--dry-run", "list what would be restored and all versions, and change nothing")
    .option("--forget", "the missing files were deleted on purpose: restore nothing, and stop reporting them")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nThe copy is in $XDG_STATE_HOME/clawdlets, by default ~/.local/state/clawdlets. It does not contain the engine's state.\n\nExamples:\n  clawdlets secrets restore --dry-run\n  clawdlets secrets restore\n  clawdlets secrets restore .env --from 12 --yes\n",
    )
    .action(async (paths: string[], options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      if (options.forget) return forget(layout, paths, options, say);
      const request = { layout, paths, ...(options.from !== undefined && { from: options.from }) };
      const isDry = options.dryRun === true;
      const plan = isDry ? planRestore(request) : await restoreFiles(request, options.yes === true);
      show(plan, isDry, say);
      const next = nextStep(layout, plan, isDry);
      say(`next: ${next}`);
      const ok = plan.damaged.length === 0;
      print(options.json, { ok, dryRun: isDry, ...plan, next });
      if (!ok) process.exitCode = exitCodes.failed;
    });
}

function versionNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("the number of a version, as --dry-run lists them");
}

function show(plan: RestorePlan, isDry: boolean, say: ResultLine): void {
  for (const path of plan.missing) say(isDry ? `would restore ${path}` : `restored ${path}`);
  for (const path of plan.different) say(isDry ? `differs; --yes would overwrite ${path}` : `overwrote ${path}`);
  for (const path of plan.damaged) say(`damaged in the copy: ${path}. Try an earlier version with --from`);
  const count = plan.missing.length + plan.different.length;
  if (count + plan.damaged.length === 0)
    say(`nothing is missing: ${counted(plan.same, "file")} ${plan.same === 1 ? "matches" : "match"} the copy`);
  say(`from version ${plan.version} of ${plan.at}, in ${plan.copy}`);
  if (!isDry) return;
  for (const { number, at, files } of plan.versions) say(`  version ${number}: ${at}, ${counted(files, "file")}`);
}

function nextStep(layout: Layout, { missing, different }: RestorePlan, isDry: boolean): string {
  if (isDry) return `clawdlets secrets restore${different.length > 0 ? " --yes" : ""}`;
  const isStateLost =
    missing.length > 0 &&
    readProjectFile(layout).hasLocalState &&
    !existsSync(layout.state) &&
    listStackFiles(layout).length > 0;
  const then = "clawdlets doctor, which checks keys and secrets";
  return isStateLost ? `${then}; the engine's state is gone, too: clawdlets up --all --adopt` : then;
}

async function forget(layout: Layout, paths: string[], options: Options, say: ResultLine): Promise<void> {
  if (paths.length > 0 || options.from !== undefined || options.yes || options.dryRun) {
    throw new UserError("--forget cannot be used with paths, --from, --yes or --dry-run.", {
      exitCode: exitCodes.usage,
    });
  }
  const forgotten = await forgetLost(layout);
  for (const path of forgotten) say(`no longer reported as missing: ${path}`);
  if (forgotten.length === 0) say("nothing is missing");
  print(options.json, { ok: true, forgotten });
}
