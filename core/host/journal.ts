import { z } from "zod";
import { withCredentialsHidden, withoutCredentials } from "../base/credentials.ts";
import { readPrivateFile, writePrivateFile } from "../base/machine/private-files.ts";
import { parseJson } from "../base/text/json.ts";
import { type Step, steps } from "./steps.ts";

export const recordedDevice = z.object({ id: z.string(), nodeKey: z.string() });
/** An auth key by its id. Never its value. */
export const recordedKey = z.object({ id: z.string(), expires: z.string() });

/** A device as it was confirmed to be the host. Only recorded ids are ever deleted from a tailnet, never names. */
export type RecordedDevice = z.infer<typeof recordedDevice>;

const tailnet = z.object({
  /** The auth key that was minted for this installation, until it is revoked. */
  key: recordedKey.optional(),
  /** The host, since it was confirmed over the tailnet. */
  device: recordedDevice.optional(),
  /** The host's earlier installations, until they are deleted. */
  former: z.array(recordedDevice).default([]),
});

const journal = z.object({
  version: z.literal(1),
  installId: z.string(),
  serverId: z.number(),
  address: z.string(),
  state: z.enum(["running", "done", "failed"]),
  /** ISO 8601, UTC. */
  startedAt: z.string(),
  /** The process that closes the window if this run is killed, and when it started. */
  guard: z.object({ pid: z.number(), since: z.string() }).optional(),
  /** When each step started. */
  steps: z.array(z.object({ step: z.enum(steps), at: z.string(), text: z.string() })),
  endedAt: z.string().optional(),
  /** State of TCP/22 as seen from here: before, during and after the window. */
  seen: z.object({ before: z.string().optional(), during: z.string().optional(), after: z.string().optional() }),
  /** What was installed: the pinned flake with its attribute. */
  flake: z.string().transform(withoutCredentials).optional(),
  /** Digest of the secrets that were sent. @see ciphertextDigest */
  ciphertext: z.string().optional(),
  /** What was written to the disk beside the system. Folders end with `/`. */
  delivered: z.array(z.string()).optional(),
  systemPath: z.string().optional(),
  /**
   * What this installation has done to the disk so far, over all its runs: nothing, Hetzner was asked to rebuild the server from
   * its image, disko was started, or everything was installed and only the reboot is left.
   */
  disk: z.enum(["untouched", "rebuilding", "begun", "installed"]).default("untouched"),
  /** Undefined without credentials for the tailnet's API. */
  tailnet: tailnet.optional(),
});

/** This machine's record of a host's last installation: `.clawdlets/hosts/<host>/install.json`. */
export type Journal = z.infer<typeof journal>;

/** @returns undefined if it is missing or invalid: the host itself is asked then */
export function readJournal(path: string): Journal | undefined {
  return journal.safeParse(parseJson(readPrivateFile(path))).data;
}

/** Writes the whole journal at every step, so that it shows how far a killed run got. */
export class JournalWriter {
  readonly #path: string;
  /** True if this machine has never started an installation on this server before. */
  readonly isFirstRun: boolean;
  #journal: Journal;

  /** @param previous the last run's journal; its disk state still applies if it belongs to the same installation */
  constructor(path: string, start: Pick<Journal, "installId" | "serverId" | "address">, previous?: Journal) {
    this.#path = path;
    this.isFirstRun = previous?.serverId !== start.serverId;
    const isSame = previous?.installId === start.installId && previous.serverId === start.serverId;
    const disk = isSame ? previous.disk : "untouched";
    const { flake, ciphertext, delivered } = isSame ? previous : {};
    const sent = {
      ...(flake !== undefined && { flake }),
      ...(ciphertext !== undefined && { ciphertext }),
      ...(delivered !== undefined && { delivered }),
    };
    const carried = previous?.tailnet && { tailnet: isSame ? previous.tailnet : formerOf(previous.tailnet) };
    const fresh = { state: "running" as const, startedAt: now(), steps: [], seen: {} };
    this.#journal = { version: 1, ...start, ...fresh, disk, ...sent, ...carried };
  }

  get journal(): Journal {
    return this.#journal;
  }

  async step(step: Step, text: string): Promise<void> {
    await this.#write({ steps: [...this.#journal.steps, { step, at: now(), text: withCredentialsHidden(text) }] });
  }

  async saw(moment: keyof Journal["seen"], what: string): Promise<void> {
    await this.#write({ seen: { ...this.#journal.seen, [moment]: what } });
  }

  async guardedBy(pid: number): Promise<void> {
    await this.#write({ guard: { pid, since: now() } });
  }

  /** @param ciphertext digest of the secrets that are sent along */
  async installs(flake: string, ciphertext: string): Promise<void> {
    await this.#write({ flake: withoutCredentials(flake), ciphertext });
  }

  /** @param ciphertext as for {@link installs}. @default the last one */
  async delivers(delivered: string[], ciphertext = this.#journal.ciphertext): Promise<void> {
    await this.#write({ delivered, ...(ciphertext !== undefined && { ciphertext }) });
  }

  async diskIs(disk: Journal["disk"]): Promise<void> {
    await this.#write({ disk });
  }

  /** @param change what is undefined in it is removed */
  async tailnetIs(change: { [Key in keyof TailnetRecord]?: TailnetRecord[Key] | undefined }): Promise<void> {
    await this.#write({ tailnet: recordWith(this.#journal.tailnet, change) });
  }

  async end(state: "done" | "failed", systemPath?: string): Promise<void> {
    await this.#write({ state, endedAt: now(), ...(systemPath !== undefined && { systemPath }) });
  }

  async #write(change: Partial<Journal>): Promise<void> {
    this.#journal = { ...this.#journal, ...change };
    await writePrivateFile(this.#path, `${JSON.stringify(this.#journal, null, 2)}\n`);
  }
}

/** What a journal says of a host in its tailnet. */
export type TailnetRecord = z.infer<typeof tailnet>;

/**
 * Changes what the journal of a finished installation says of its host in the tailnet. Nothing without such a journal: a run writes its
 * own. The caller holds the host's lock.
 */
export async function changeTailnetRecord(
  path: string,
  change: Parameters<JournalWriter["tailnetIs"]>[0],
): Promise<void> {
  const last = readJournal(path);
  if (last?.state !== "done") return;
  const next = { ...last, tailnet: recordWith(last.tailnet, change) };
  await writePrivateFile(path, `${JSON.stringify(next, null, 2)}\n`);
}

/** @param change what is undefined in it is removed */
function recordWith(
  record: TailnetRecord | undefined,
  change: { [Key in keyof TailnetRecord]?: TailnetRecord[Key] | undefined },
): TailnetRecord {
  return tailnet.parse({ ...record, ...change });
}

/** Another installation wipes the disk, and with it the device. */
function formerOf({ device, former, ...rest }: TailnetRecord): TailnetRecord {
  return { ...rest, former: [...former, ...(device ? [device] : [])] };
}

/**
 * Marks a killed run as failed, since it cannot do so itself.
 * @param text what was cleaned up after it, a sentence
 * @param startedAt identifies the run. @default the last one
 */
export async function endKilled(path: string, text: string, startedAt?: string): Promise<void> {
  const last = readJournal(path);
  if (last?.state !== "running" || (startedAt !== undefined && last.startedAt !== startedAt)) return;
  const steps = [...last.steps, { step: "close", at: now(), text }];
  await writePrivateFile(path, `${JSON.stringify({ ...last, state: "failed", endedAt: now(), steps }, null, 2)}\n`);
}

const now = () => new Date().toISOString();
