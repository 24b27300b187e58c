import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { SettingsError } from "../../core/base/errors.ts";
import { writePublicFile } from "../../core/base/machine/private-files.ts";
import { safeText } from "../../core/base/wording.ts";
import { findLayout } from "../../core/project/layout.ts";
import { importBots } from "../../core/tasks/import-upstream/bots.ts";
import { readFleet } from "../../core/tasks/import-upstream/read-fleet.ts";
import type { Row } from "../../core/tasks/import-upstream/rows.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  from: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets bot import --from PATH`: upstream's bots, as folders. */
export function importCommand(): Command {
  return new Command("import")
    .requiredOption("--from <path>", "upstream's project, or its clawdlets.json; it is only read")
    .option("--dry-run", "show what would be created, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nOverwrites nothing: refuses if one of the files exists. Then list the bots in a stack file, and run clawdlets bot lint.\n\nExamples:\n  clawdlets bot import --from ../old --dry-run\n  clawdlets bot import --from ../old\n",
    )
    .action(async ({ from, dryRun = false, json }: Options) => {
      const layout = findLayout(process.cwd());
      const { fleet, extras } = readFleet(from);
      const { files, ...rows } = importBots(fleet, extras);
      const there = [...files.keys()].filter((file) => existsSync(join(layout.root, file)));
      if (there.length > 0) {
        const about = { code: "file-in-the-way", problem: "already exists.", fix: "Move it away first." } as const;
        throw new SettingsError(there.map((subject) => ({ subject, ...about })));
      }
      const say = resultLines(json);
      for (const [file, text] of files) {
        if (!dryRun) await writePublicFile(join(layout.root, file), text);
        say(`${dryRun ? "would make" : "made"} ${file}`);
      }
      if (files.size === 0) say("the fleet has no bots");
      for (const [heading, list] of [
        ["carried over", rows.carried],
        ["under another name", rows.renamed],
        ["left to you", rows.byHand],
        ["not carried over", rows.missing],
      ] as const) {
        if (list.length > 0) say(`\n${heading}:`);
        for (const row of list) say(`  ${rowLine(row)}`);
      }
      print(json, { ok: true, dryRun, files: [...files.keys()], ...rows });
    });
}

const rowLine = ({ setting, to, note }: Row) =>
  safeText(`${setting}${to === undefined ? "" : ` -> ${to}`}${note === undefined ? "" : `: ${note}`}`, 500);
