import { Command } from "commander";
import { type LogOptions, logOptions, printLog } from "../server/_log.ts";
import type { ServerOptions } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { jsonOption } from "../shared/output.ts";
import { botHostOption, withBot } from "./_session.ts";

/** `clawdlets bot logs NAME`: the journal of a bot. */
export function logsCommand(): Command {
  return new Command("logs")
    .argument("<name>", "the bot, e.g. maren")
    .option(...botHostOption)
    .addOption(logOptions.since)
    .addOption(logOptions.lines)
    .addOption(logOptions.follow)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets bot logs maren --since 5m --follow\n")
    .action((bot: string, options: ServerOptions & LogOptions) =>
      withBot(bot, options, (session, unit) => printLog(session, unit, options)),
    );
}
