import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { backUpNow } from "../../core/host/backup/orders.ts";
import { backupAges, backupLine } from "../../core/host/facts/backups.ts";
import { type ServerOptions, withSession } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines, tell } from "../shared/output.ts";
import { settingsOf } from "./_settings.ts";
import { goesOnWhenStopped, limitOption } from "./_shared.ts";

/** `clawdlets backup now`. */
export function nowCommand(): Command {
  return new Command("now")
    .option(...hostOption)
    .option(...limitOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets backup now --host web-1\n  clawdlets backup now --json\n")
    .action((options: ServerOptions & { limit: number }) =>
      withSession(options, async (session) => {
        const { host, settings } = session;
        const backups = settingsOf(session);
        goesOnWhenStopped(host, "backing up");
        tell(`${host}: backing up`);
        const state = await backUpNow(session, options.limit * 60);
        const ages = backupAges(backups, settings.bots, state, new Date());
        const say = resultLines(options.json);
        for (const age of ages)
          say(`${age.problem === undefined && age.good !== undefined ? "ok    " : "FAILED"} ${backupLine(age)}`);
        const ok = ages.every(({ problem, good }) => problem === undefined && good !== undefined);
        if (options.json) printJson({ ok, host, bots: ages });
        if (!ok) process.exitCode = exitCodes.failed;
      }),
    );
}
