import { resolve } from "node:path";
import type { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { expandHome } from "../../core/project/settings/host.ts";
import { importVault } from "../../core/tasks/vault/vault.ts";
import { printJson, resultLines } from "../shared/output.ts";
import { namesOf, type OpenOptions, openedWith, openingCommand } from "./_opened-with.ts";

/** `clawdlets vault import`: takes a project over on another machine. */
export function importCommand(): Command {
  return openingCommand("import")
    .addHelpText(
      "after",
      "\nFor a clone that has no .clawdlets yet. An existing one is never overwritten.\n\nExamples:\n  clawdlets vault import /mnt/usb/hosts.vault --passphrase\n  clawdlets vault import ~/hosts.vault --identity ~/offline.agekey\n",
    )
    .action(async (file: string, options: OpenOptions) => {
      const layout = findLayout(process.cwd());
      const path = resolve(expandHome(file, process.env));
      const request = { layout, environment: process.env, file: path };
      const imported = await importVault(request, await openedWith(layout, options));
      const say = resultLines(options.json);
      say(`imported ${imported.files} files of ${namesOf(imported.hosts)}, from ${imported.at}`);
      for (const each of imported.outside) {
        say(`${each.isHere ? "used, but not from the vault" : "missing, and not in the vault"}: ${each.path}`);
      }
      say("next: clawdlets doctor, then: clawdlets verify");
      if (options.json) printJson({ ok: true, ...imported });
    });
}
