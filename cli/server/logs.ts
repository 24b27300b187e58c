import { Command, Option } from "commander";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption } from "../shared/output.ts";
import { type LogOptions, logOptions, printLog } from "./_log.ts";
import { type ServerOptions, withSession } from "./_session.ts";
import { unitOf } from "./_unit.ts";

interface Options extends ServerOptions, LogOptions {
  unit?: string;
  activation?: boolean;
}

export function logsCommand(): Command {
  return new Command("logs")
    .option(...hostOption)
    .addOption(
      new Option("--unit <name>", "a bot, or its unit clawdbot-<bot>; optional if there is only one bot").conflicts(
        "activation",
      ),
    )
    .option("--activation", "show the log of changes: builds, switches, rollbacks")
    .addOption(logOptions.since)
    .addOption(logOptions.lines)
    .addOption(logOptions.follow)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets server logs --unit maren --since 5m --follow\n  clawdlets server logs --activation\n",
    )
    .action((options: Options) =>
      withSession(options, async (session) => {
        const unit = options.activation
          ? "clawdlets-activation.service"
          : unitOf(session.host, options.unit, session.settings.bots);
        await printLog(session, unit, options);
      }),
    );
}
