import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { type BotSummary, listBots } from "../../core/tasks/bots/show.ts";
import { resultLines } from "../shared/output.ts";
import { jsonOption, print } from "../shared/secrets.ts";

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

/** One line about a bot. */
export function summaryLine({ bot, folder, hosts, channels, model, critical, warnings }: BotSummary): string {
  const on = hosts.length === 0 ? "on no host" : `on ${hosts.join(", ")}`;
  if (folder === undefined) return `${bot}: ${on}, without a folder: its program is set in Nix`;
  const talks = channels.length === 0 ? "no channel" : channels.join(", ");
  const counts = `${critical} critical, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
  const found = critical + warnings === 0 ? "nothing found" : counts;
  return `${bot}: ${on}, ${talks}, ${model ?? "OpenClaw's default model"}; lint: ${found}`;
}
