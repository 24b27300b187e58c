import { Command, Option } from "commander";
import { unitPattern } from "../../core/host/reach/journal-request.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption } from "../shared/output.ts";
import { type LogOptions, logOptions, printLog } from "./_log.ts";
import { type ServerOptions, type Session, withSession } from "./_session.ts";
import { unitOf } from "./_unit.ts";

interface Options extends ServerOptions, LogOptions {
  unit?: string;
  activation?: boolean;
  system?: boolean;
}

export function logsCommand(): Command {
  return new Command("logs")
    .option(...hostOption)
    .addOption(
      new Option(
        "--unit <name>",
        "a bot, or any unit with its suffix, e.g. sshd.service; optional with one bot",
      ).conflicts(["activation", "system"]),
    )
    .addOption(new Option("--system", "show the journal of the whole host").conflicts("activation"))
    .option("--activation", "show the log of changes: builds, switches, rollbacks")
    .addOption(logOptions.since)
    .addOption(logOptions.until)
    .addOption(logOptions.lines)
    .addOption(logOptions.follow)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets server logs --unit maren --since 5m --follow\n  clawdlets server logs --activation\n  clawdlets server logs --system --since yesterday --until '2026-11-27 10:00'\n",
    )
    .action((options: Options) =>
      withSession(options, async (session) => {
        await printLog(session, unitFor(session, options), options);
      }),
    );
}

function unitFor({ host, settings }: Session, { unit, activation, system }: Options): string | undefined {
  if (system) return undefined;
  if (activation) return "clawdlets-activation.service";
  const isOfBot = settings.bots.some((bot) => unit === `clawdbot-${bot}.service`);
  return unit !== undefined && !isOfBot && unitPattern.test(unit) ? unit : unitOf(host, unit, settings.bots);
}
