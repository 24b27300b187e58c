import { resolve } from "node:path";
import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { expandHome } from "../../core/project/settings/host.ts";
import { exportHandover } from "../../core/tasks/operators/handover.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  force?: boolean;
  json?: boolean;
}

/** `clawdlets operator handover`: what all operators share, for one of them. */
export function handoverCommand(): Command {
  return new Command("handover")
    .argument("<name>", "the operator it is for, as operator list shows them")
    .argument("<file>", "where to write it")
    .option("--force", "replace an existing file")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nOnly they can open it, with: clawdlets operator join FILE. It holds secrets, keys of hosts, settings and the passphrase of the state; not your identity, your tokens and a state on this machine.\n\nExamples:\n  clawdlets operator handover bea bea.handover\n",
    )
    .action(async (name: string, file: string, options: Options) => {
      const layout = findLayout(process.cwd());
      const path = resolve(expandHome(file, process.env));
      const made = await exportHandover({ layout, name, file: path, force: options.force === true });
      const say = resultLines(options.json);
      say(`${path}: ${made.files} files, which ${name} alone can open`);
      if (!made.sharesState) {
        say(
          "not in it: the engine's state, which is on this machine alone, so only you can run up. To share it, keep it in a bucket (docs/operators.md)",
        );
      }
      say(`next: send it to ${name}, who runs: clawdlets operator join ${name}.handover`);
      print(options.json, { ok: true, ...made });
    });
}
