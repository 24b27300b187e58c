import { Command } from "commander";
import { jsonOption, type ServerOptions } from "../server/_session.ts";
import { restartUnit } from "../server/restart.ts";
import { windowOption } from "../shared/behind-window.ts";
import { botHostOption, withBot } from "./_session.ts";

/** `clawdlets bot restart NAME`. */
export function restartCommand(): Command {
  return new Command("restart")
    .argument("<name>", "the bot, e.g. maren")
    .option(...botHostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets bot restart maren\n")
    .action((bot: string, options: ServerOptions) =>
      withBot(bot, options, (session, unit) => restartUnit(session, unit, options.json)),
    );
}
