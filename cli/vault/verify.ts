import { resolve } from "node:path";
import type { Command } from "commander";
import { counted } from "../../core/base/wording.ts";
import { findLayout } from "../../core/project/layout.ts";
import { expandHome } from "../../core/project/settings/host.ts";
import { verifyVault } from "../../core/tasks/vault/vault.ts";
import { printJson, resultLines } from "../shared/output.ts";
import { namesOf, type OpenOptions, openedWith, openingCommand } from "./_opened-with.ts";

/** `clawdlets vault verify`: whether a vault opens, how old it is, and what has changed since. */
export function verifyVaultCommand(): Command {
  return openingCommand("verify")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets vault verify /mnt/usb/hosts.vault --passphrase\n  clawdlets vault verify ~/hosts.vault --identity ~/offline.agekey --json | jq .ageDays\n",
    )
    .action(async (file: string, options: OpenOptions) => {
      const layout = findLayout(process.cwd());
      const path = resolve(expandHome(file, process.env));
      const report = await verifyVault(layout, path, await openedWith(layout, options));
      const say = resultLines(options.json);
      say(
        `${path}: intact; ${report.files} files of ${namesOf(report.hosts)}, from ${report.at} (${daysText(report.ageDays)})`,
      );
      for (const changed of report.changed.slice(0, 20)) say(`differs here: ${changed}`);
      if (report.changed.length > 20) say(`and ${report.changed.length - 20} more`);
      if (report.changed.length === 0) say("nothing has changed here since");
      if (options.json) printJson({ ok: true, file: path, ...report });
    });
}

const daysText = (days: number) => (days === 0 ? "today" : `${counted(days, "day")} old`);
