import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { readPrivateFile, writePrivateFile } from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";
import type { Layout } from "../../project/layout.ts";
import { hostName } from "../../project/settings/names.ts";

const states = ["waiting", "ok", "failed", "stopped", "not started"] as const;

const journal = z.object({
  command: z.string(),
  startedAt: z.string(),
  /** What the command was asked beyond its hosts, e.g. `{"rev": "…"}`: the rest of the hosts get the same. */
  asked: z.record(z.string(), z.string()),
  hosts: z.record(hostName, z.enum(states)),
});

/** The last run of a command over many hosts: what `--resume` goes on with. */
export type FleetJournal = z.infer<typeof journal>;

const fileOf = (layout: Layout, command: string) => join(layout.dir, "fleet", `${command}.json`);

/** @throws UserError when there is none, or it is not as we write it */
export function readFleetJournal(layout: Layout, command: string): FleetJournal {
  const file = fileOf(layout, command);
  const text = readPrivateFile(file);
  const refuse = (why: string) =>
    new UserError(
      { subject: "", problem: `--resume: ${why}.`, fix: `Name the hosts: clawdlets ${command} --all` },
      { exitCode: exitCodes.usage },
    );
  if (text === undefined) throw refuse(`this machine knows of no run of "${command}" over many hosts (${file})`);
  const parsed = journal.safeParse(parseJson(text));
  if (!parsed.success) throw refuse(`${file} is not as clawdlets writes it`);
  return parsed.data;
}

/** Writes down how each host ended, as it ends: a killed run is gone on with where it was. */
export class FleetRecord {
  readonly #file: string;
  readonly #journal: FleetJournal;
  #writing: Promise<void> = Promise.resolve();

  constructor(layout: Layout, start: FleetJournal) {
    this.#file = fileOf(layout, start.command);
    this.#journal = { ...start, hosts: { ...start.hosts } };
  }

  async begin(): Promise<void> {
    await this.#write();
  }

  async ended(host: string, state: Exclude<(typeof states)[number], "waiting">): Promise<void> {
    this.#journal.hosts[host] = state;
    await this.#write();
  }

  /** One after the other, so that the last one written is the newest. */
  #write(): Promise<void> {
    const write = () => writePrivateFile(this.#file, `${JSON.stringify(this.#journal)}\n`);
    // Each write says for itself whether it failed: the next one may have space again.
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}
