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
  /** The command's options, e.g. `{"rev": "…"}`: the remaining hosts get the same. */
  asked: z.record(z.string(), z.string()),
  hosts: z.record(hostName, z.enum(states)),
});

/** The last run of a command over many hosts, which `--resume` continues. */
export type FleetJournal = z.infer<typeof journal>;

const fileOf = (layout: Layout, command: string) => join(layout.dir, "fleet", `${command}.json`);

/** @throws UserError if there is none, or it is damaged */
export function readFleetJournal(layout: Layout, command: string): FleetJournal {
  const file = fileOf(layout, command);
  const text = readPrivateFile(file);
  const refuse = (why: string) =>
    new UserError(
      { subject: "", problem: `--resume: ${why}.`, fix: `Pass the hosts instead: clawdlets ${command} --all` },
      { exitCode: exitCodes.usage },
    );
  if (text === undefined) throw refuse(`there was no run of "${command}" over many hosts on this machine (${file})`);
  const parsed = journal.safeParse(parseJson(text));
  if (!parsed.success) throw refuse(`${file} is damaged`);
  return parsed.data;
}

/** Records each host's result when it ends, so that a killed run can be resumed. */
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

  /** Serializes writes, so that the newest is written last. */
  #write(): Promise<void> {
    const write = () => writePrivateFile(this.#file, `${JSON.stringify(this.#journal)}\n`);
    // After a failed write, still try the next one: the disk may have space again.
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}
