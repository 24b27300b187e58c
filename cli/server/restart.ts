import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { windowOption } from "../shared/behind-window.ts";
import { printJson, resultLines } from "../shared/output.ts";
import { hostOption, jsonOption, type ServerOptions, type Session, withSession } from "./_session.ts";
import { unitOf } from "./_unit.ts";

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

/** Restarts a bot's unit, and says so. */
export async function restartUnit({ host, run }: Session, unit: string, json: boolean | undefined): Promise<void> {
  const { exitCode, stderr } = await run(`sudo -n /run/current-system/sw/bin/systemctl restart ${unit}`);
  if (exitCode !== 0) throw new UserError({ subject: host, problem: `${unit} was not restarted: ${stderr.trim()}` });
  resultLines(json)(`${host}: ${unit} was restarted`);
  if (json) printJson({ ok: true, host, unit });
}
