import { Command } from "commander";
import type { ServerOptions } from "../server/_session.ts";
import { restartUnit } from "../server/_unit.ts";
import { windowOption } from "../shared/behind-window.ts";
import { jsonOption } from "../shared/output.ts";
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
