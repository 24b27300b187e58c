import { counted } from "../../core/base/wording.ts";
import type { Imported } from "../../core/tasks/import-upstream/import.ts";
import type { Row } from "../../core/tasks/import-upstream/rows.ts";
import type { ResultLine } from "../shared/output.ts";

const headings = {
  carried: "carried over",
  renamed: "has another name here",
  byHand: "for you to do",
  missing: "no counterpart",
} as const;
type Kind = keyof typeof headings;
const kinds = Object.keys(headings) as Kind[];

/** What became of each setting of upstream's, for a person. */
export function sayImported(imported: Imported, say: ResultLine): void {
  say(`from ${imported.from}, schema ${imported.schemaVersion}: ${counted(imported.hosts.size, "host")}`);
  for (const kind of kinds) {
    if (imported[kind].length > 0) say(`${headings[kind]}:`);
    for (const row of imported[kind]) say(`  ${lineOf(row)}`);
  }
  const { unset } = imported;
  if (unset > 0)
    say(
      `${unset === 1 ? "1 setting is" : `${unset} settings are`} off or empty, and ${unset === 1 ? "needs" : "need"} nothing`,
    );
}

const lineOf = ({ setting, to, note }: Row) =>
  [setting, ...(to === undefined ? [] : [` -> ${to}`]), ...(note === undefined ? [] : [`  (${note})`])].join("");

/** The same for `--json`. */
export const reportOf = ({ hosts, files: _, notes: __, ...rest }: Imported) => ({ ...rest, hosts: [...hosts.keys()] });
