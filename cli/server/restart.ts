import { Command } from "commander";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption } from "../shared/output.ts";
import { type ServerOptions, withSession } from "./_session.ts";
import { restartUnit, unitOf } from "./_unit.ts";

export function restartCommand(): Command {
  return new Command("restart")
    .option(...hostOption)
    .option("--unit <name>", "a bot, or its unit clawdbot-<bot>; optional if there is only one bot")
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets server restart --host web-1 --unit maren\n")
    .action((options: ServerOptions & { unit?: string }) =>
      withSession(options, async (session) => {
        await restartUnit(session, unitOf(session.host, options.unit, session.settings.bots), options.json);
      }),
    );
}
