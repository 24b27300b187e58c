import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { showBot } from "../../core/tasks/bots/show.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { summaryLine } from "./_summary.ts";

/** `clawdlets bot show NAME`: one bot, with its secrets on each of its hosts. */
export function showCommand(): Command {
  return new Command("show")
    .argument("<name>", "the bot, e.g. maren")
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets bot show maren\n  clawdlets bot show maren --json\n")
    .action((bot: string, options: { json?: boolean }) => {
      const shown = showBot(findLayout(process.cwd()), bot);
      const say = resultLines(options.json);
      say(summaryLine(shown));
      for (const { host, variable, secret, status } of shown.secrets) {
        say(`${host}: ${status.padEnd(7)} ${secret} (${variable})`);
      }
      const missing = shown.secrets.find(({ status }) => status === "missing");
      if (missing) say(`To set what is missing: clawdlets secrets init --host ${missing.host}`);
      print(options.json, { ok: true, ...shown });
    });
}
