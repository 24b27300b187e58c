import { Command } from "commander";
import { readBackups } from "../../core/host/backup/orders.ts";
import { backupAges, backupLine } from "../../core/host/facts/backups.ts";
import { healthLine, readBotHealth } from "../../core/host/facts/bot-health.ts";
import { readFacts } from "../../core/host/facts/server-facts.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { type ServerOptions, withSession } from "./_session.ts";

export function statusCommand(): Command {
  return new Command("status")
    .option(...hostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets server status --host web-1\n")
    .action((options: ServerOptions) =>
      withSession(options, async (session) => {
        const facts = await readFacts(session, session.settings.bots);
        const { activation, failed } = facts;
        const say = resultLines(options.json);
        say(
          `${session.host}: ${facts.state}, runs ${facts.systemPath} (boot ${facts.bootId}, installation ${facts.installId})`,
        );
        const health = await readBotHealth(session.run, session.settings.bots);
        for (const bot of health) say(`  bot ${healthLine(bot)}`);
        const { backups } = session.settings;
        const ages = backups && backupAges(backups, session.settings.bots, await readBackups(session), new Date());
        for (const age of ages ?? []) say(`  backup of ${backupLine(age)}${age.stale ? " TOO OLD" : ""}`);
        if (facts.tailnet !== "") say(`  tailnet: ${facts.tailnet}`);
        if (facts.rekey !== null) say(`  rekey: ${facts.rekey}`);
        if (failed.length > 0) say(`  failed: ${failed.join(", ")}`);
        if (activation) {
          const how = activation.phase === "done" ? activation.result : activation.phase;
          say(`  last change: ${how}, commit ${activation.rev}${activation.why ? `: ${activation.why}` : ""}`);
        }
        if (options.json) printJson({ ok: true, host: session.host, ...facts, health, ...(ages && { backups: ages }) });
      }),
    );
}
