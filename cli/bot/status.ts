import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { healthLine, isHealthy, readBotHealth } from "../../core/host/facts/bot-health.ts";
import { type ServerOptions, type Session, withSession } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { botHostOption, withBot } from "./_session.ts";

/** `clawdlets bot status [NAME]`: what systemd and the gateway say of a bot, or of all bots of a host. */
export function statusCommand(): Command {
  return new Command("status")
    .argument("[name]", "the bot; without it, all bots of the host")
    .option(...botHostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExits with 1 if a bot does not run or its gateway is not healthy.\n\nExamples:\n  clawdlets bot status maren\n  clawdlets bot status --host web-1 --json\n",
    )
    .action((bot: string | undefined, options: ServerOptions) =>
      bot === undefined
        ? withSession(options, (session) => show(session, session.settings.bots, options.json))
        : withBot(bot, options, (session) => show(session, [bot], options.json)),
    );
}

async function show({ host, run }: Session, names: readonly string[], json: boolean | undefined): Promise<void> {
  const bots = await readBotHealth(run, names);
  const say = resultLines(json);
  for (const bot of bots) say(healthLine(bot));
  if (bots.length === 0) say(`${host} has no bots`);
  const ok = bots.every(isHealthy);
  if (json) printJson({ ok, host, bots });
  if (!ok) process.exitCode = exitCodes.failed;
}
