import { Command } from "commander";
import { listSnapshots } from "../../core/host/backup/orders.ts";
import { type ServerOptions, withSession } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { settingsOf } from "./_settings.ts";

/** `clawdlets backup list`. */
export function listCommand(): Command {
  return new Command("list")
    .option(...hostOption)
    .option("--bot <name>", "show only the backups of this bot")
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets backup list --host web-1\n  clawdlets backup list --bot maren --json\n",
    )
    .action((options: ServerOptions & { bot?: string }) =>
      withSession(options, async (session) => {
        settingsOf(session);
        const all = await listSnapshots(session);
        const found = all.filter(({ bot }) => options.bot === undefined || bot === options.bot);
        const say = resultLines(options.json);
        for (const { id, bot, at } of found) say(`${id}  ${at}  ${bot}`);
        if (found.length === 0) say(`${session.host}: no backups yet`);
        if (options.json) printJson({ ok: true, host: session.host, snapshots: found });
      }),
    );
}
