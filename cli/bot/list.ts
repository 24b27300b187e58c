import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { listBots } from "../../core/tasks/bots/show.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { summaryLine } from "./_summary.ts";

/** `clawdlets bot list`: every bot of the project. */
export function listCommand(): Command {
  return new Command("list")
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets bot list\n  clawdlets bot list --json\n")
    .action((options: { json?: boolean }) => {
      const bots = listBots(findLayout(process.cwd()));
      const say = resultLines(options.json);
      for (const bot of bots) say(summaryLine(bot));
      if (bots.length === 0)
        say("no bots yet; add one: clawdlets bot add NAME --channel discord --model PROVIDER/MODEL");
      print(options.json, { ok: true, bots });
    });
}
