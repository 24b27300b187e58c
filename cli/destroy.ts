import { Command } from "commander";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { findLayout } from "../core/project/layout.ts";
import { destroy } from "../engine/destroy.ts";
import { plainOption, withProgress } from "./screen/index.ts";
import { askLine } from "./shared/ask.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";

/** `clawdlets destroy`: deletes the server and its disk. */
export function destroyCommand(): Command {
  return new Command("destroy")
    .option("--host <name>", "the host; optional if there is only one")
    .option("--yes", "do not ask for confirmation")
    .option(...plainOption)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets destroy --host web-1\n  clawdlets destroy --host web-1 --yes --json\n",
    )
    .action(async (options: { host?: string; yes?: boolean; plain?: boolean; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      if (!options.yes) await confirm(host);
      await withProgress(`${host}: destroy`, options, (progress) =>
        destroy({ layout, host, environment: process.env, progress }),
      );
      resultLines(options.json)(`${host}: destroyed; its keys and secrets are kept in .clawdlets`);
      if (options.json) printJson({ ok: true, stack: host });
    });
}

async function confirm(host: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new UserError(
      { subject: host, problem: "destroy wipes the disk, and there is no terminal to confirm on.", fix: "Pass --yes." },
      {
        exitCode: exitCodes.usage,
      },
    );
  }
  const answer = await askLine(`This deletes the server ${host} and its disk. Type the host's name to continue: `);
  if (answer !== host) throw new UserError({ subject: host, problem: "not destroyed." }, { exitCode: exitCodes.usage });
}
