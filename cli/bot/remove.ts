import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { removeBot } from "../../core/tasks/bots/remove.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

/** `clawdlets bot remove NAME`: deletes the folder of a bot that no host has. */
export function removeCommand(): Command {
  return new Command("remove")
    .argument("<name>", "the bot, e.g. maren")
    .option("--yes", "delete the folder; without it, only show which")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nRefuses while a stack file names the bot. Secrets and what the bot wrote on its host are kept.\n\nExamples:\n  clawdlets bot remove maren\n  clawdlets bot remove maren --yes\n",
    )
    .action(async (bot: string, options: { yes?: boolean; json?: boolean }) => {
      const deleted = options.yes === true;
      const folder = await removeBot(findLayout(process.cwd()), bot, deleted);
      resultLines(options.json)(deleted ? `deleted ${folder}` : `would delete ${folder}; to delete it, pass --yes`);
      print(options.json, { ok: true, bot, folder, deleted });
    });
}
