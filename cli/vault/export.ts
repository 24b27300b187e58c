import { resolve } from "node:path";
import { Command, Option } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { findLayout } from "../../core/project/layout.ts";
import { expandHome } from "../../core/project/settings/host.ts";
import { exportVault, type SealedFor } from "../../core/tasks/vault/vault.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { namesOf, readPassphrase } from "./_opened-with.ts";

interface Options {
  to?: string[];
  passphrase?: boolean;
  force?: boolean;
  json?: boolean;
}

/** `clawdlets vault export`: everything that a lost disk would take, in one encrypted file. */
export function exportCommand(): Command {
  return new Command("export")
    .argument("<file>", "where to write it")
    .option("--to <recipients...>", "age recipients that can open it, e.g. a colleague's or one kept offline")
    .addOption(
      new Option("--passphrase", "encrypt with a passphrase; without a terminal: read standard input").conflicts("to"),
    )
    .option("--force", "replace an existing file")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nHolds .clawdlets: keys, tokens, secrets, journals and the engine's state. age --decrypt FILE | tar x opens it without clawdlets.\n\nExamples:\n  clawdlets vault export /mnt/usb/hosts.vault --passphrase\n  clawdlets vault export ~/hosts.vault --to age1… --force\n",
    )
    .action(async (file: string, options: Options) => {
      const layout = findLayout(process.cwd());
      const path = resolve(expandHome(file, process.env));
      const sealedFor = await sealedForOf(options);
      const force = options.force === true;
      const exported = await exportVault({ layout, environment: process.env, file: path, sealedFor, force });
      const say = resultLines(options.json);
      say(`${path}: ${exported.files} files of ${namesOf(exported.hosts)}, ${Math.ceil(exported.bytes / 1024)} KiB`);
      for (const outside of exported.outside) say(`not included, because it is outside .clawdlets: ${outside}`);
      say(`next: store it on another machine, and check it: clawdlets vault verify ${path}`);
      if (options.json) printJson({ ok: true, ...exported });
    });
}

async function sealedForOf({ to, passphrase }: Options): Promise<SealedFor> {
  if (to) return { recipients: [...new Set(to.flatMap((each) => each.split(",")).map((each) => each.trim()))] };
  if (passphrase) return { passphrase: await readPassphrase({ twice: true }) };
  throw new UserError("Who may open it? Pass --to age1… or --passphrase.", { exitCode: exitCodes.usage });
}
