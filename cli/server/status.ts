import { Command } from "commander";
import { readFacts } from "../../core/host/facts/server-facts.ts";
import { printable } from "../../engine/progress.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption, jsonOption, type ServerOptions, withSession } from "./_session.ts";

export function statusCommand(): Command {
  return new Command("status")
    .description("what the host runs, its bots, failed units, and how its last change ended")
    .option(...hostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets server status --host web-1\n")
    .action((options: ServerOptions) =>
      withSession(options, async (session) => {
        const facts = await readFacts(session, session.settings.bots);
        const { activation, failed, bots } = facts;
        const tell = (text: string) => process.stderr.write(`${printable(text)}\n`);
        tell(
          `${session.host}: ${facts.state}, runs ${facts.systemPath} (boot ${facts.bootId}, installation ${facts.installId})`,
        );
        for (const [bot, state] of Object.entries(bots)) tell(`  bot ${bot}: ${state}`);
        if (failed.length > 0) tell(`  failed: ${failed.join(", ")}`);
        if (activation) {
          const how = activation.phase === "done" ? activation.result : activation.phase;
          tell(`  last change: ${how}, commit ${activation.rev}${activation.why ? `: ${activation.why}` : ""}`);
        }
        if (options.json) process.stdout.write(`${JSON.stringify({ ok: true, host: session.host, ...facts })}\n`);
      }),
    );
}
