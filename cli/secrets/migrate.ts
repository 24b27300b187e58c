import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { operatorIdentityFile } from "../../core/project/secrets/keys/operators.ts";
import { readEnvFile } from "../../core/project/settings/env-file.ts";
import { migrateSecrets } from "../../core/tasks/secrets/migrate.ts";
import { engineOrSetUp } from "../../engine/environment.ts";
import { startProgress } from "../screen/index.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  host?: string;
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets secrets migrate`: from older clawdlets files to today's. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .option("--host <name>", "migrate one host's secrets; the default is every host of stack.json")
    .option("--yes", "overwrite existing secrets with the values of the old file")
    .option("--dry-run", "show what would be done, and change nothing")
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets secrets migrate --dry-run\n  clawdlets secrets migrate\n")
    .action(async ({ host, yes, dryRun, json }: Options) => {
      const layout = findLayout(process.cwd());
      const progress = startProgress();
      const { sops } = await engineOrSetUp(progress);
      const operatorFile = operatorIdentityFile(layout, readEnvFile(layout, {}).value.SOPS_AGE_KEY_FILE);
      const result = await migrateSecrets({
        layout,
        ...(host !== undefined && { host }),
        operatorFile,
        overwrite: yes === true,
        dryRun: dryRun === true,
        sops,
      });
      const say = resultLines(json);
      const would = dryRun ? "would be " : "";
      if (result.fromSchema !== 3) say(`stack.json: ${would}upgraded from schema ${result.fromSchema} to 3`);
      for (const [name, { moved, skipped }] of Object.entries(result.hosts)) {
        say(`${name}: ${moved.length} secrets ${would}moved to separate files: ${moved.join(", ")}`);
        if (skipped.length > 0) say(`${name}: skipped, because they have no value yet: ${skipped.join(", ")}`);
      }
      for (const path of result.backups) say(`kept ${path}`);
      const isNothing = result.fromSchema === 3 && Object.keys(result.hosts).length === 0;
      say(isNothing ? "nothing to migrate" : "next: clawdlets secrets init, then clawdlets secrets verify");
      print(json, { ok: true, dryRun: dryRun === true, ...result });
    });
}
