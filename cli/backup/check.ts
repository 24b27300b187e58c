import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { checkRepository } from "../../core/host/backup/orders.ts";
import { type ServerOptions, withSession } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines, tell } from "../shared/output.ts";
import { settingsOf } from "./_settings.ts";
import { goesOnWhenStopped, limitOption } from "./_shared.ts";

/** `clawdlets backup check`. */
export function checkCommand(): Command {
  return new Command("check")
    .option(...hostOption)
    .option(...limitOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets backup check --host web-1\n")
    .action((options: ServerOptions & { limit: number }) =>
      withSession(options, async (session) => {
        const { host } = session;
        settingsOf(session);
        goesOnWhenStopped(host, "checking the repository");
        tell(`${host}: checking the repository`);
        const { problem, why, good } = await checkRepository(session, options.limit * 60);
        const ok = problem === "";
        resultLines(options.json)(ok ? `${host}: the repository is whole (${good})` : `${host}: ${problem}: ${why}`);
        if (options.json) printJson({ ok, host, ...(ok ? { good } : { problem, why }) });
        if (!ok) process.exitCode = exitCodes.failed;
      }),
    );
}
