import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { SettingsError } from "../../base/errors.ts";
import { readFolder, writePublicFile } from "../../base/machine/private-files.ts";
import { problemsOf } from "../../base/problems.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import { readText } from "../../base/text/read-text.ts";
import type { Layout } from "../layout.ts";
import { asOnlyWriter } from "../project-lock.ts";
import { hostName, matching } from "../settings/names.ts";

/** Leaves room for the drawn name in Hetzner's 63 characters. */
export const groupName = matching(
  /^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/,
  'allowed: a lowercase letter, then up to 29 of a-z, 0-9 and "-", not ending in "-"',
);

const count = z.number("allowed: 0, 1, 2, …").int("allowed: 0, 1, 2, …").min(0, "allowed: 0, 1, 2, …");
const time = z.iso.datetime("allowed: a time in UTC, e.g. 2026-11-28T02:00:00.000Z");

const member = z.strictObject({
  /** Its place in the order of creation, never used twice. Names the `RandomPet` in the state. */
  slot: count,
  /** From the `RandomPet`; missing until `up` has drawn it. */
  name: hostName.optional(),
  /** When it got its name, shortly before its server was ordered. ISO 8601, UTC. */
  createdAt: time.optional(),
  /** Whether the last `up` protected its server. */
  isProtected: z.boolean("allowed: true or false").default(false),
});

const entries = z.strictObject({
  version: z.literal(1, "allowed: 1"),
  group: groupName,
  /** The host whose settings and secrets the members get. */
  like: hostName,
  /** The stack that has the group. */
  stack: z.string("allowed: a stack's name").min(1, "allowed: a stack's name"),
  ttlMinutes: count.optional(),
  generation: count.default(0),
  nextSlot: count.default(1),
  members: z.array(member, "allowed: a list of members").default([]),
  /** Hosts of this generation that outlived their time. They count, so that `up` does not buy them again. */
  outlived: z.array(hostName, "allowed: a list of host names").default([]),
});

/** What people leave who merge two versions of the file: `up` and `reap` would destroy one of two hosts that look the same. */
const roster = entries.superRefine(({ group, nextSlot, members }, context) => {
  const wrong = (path: PropertyKey[], message: string) => context.addIssue({ code: "custom", path, message });
  const isDouble = <T>(value: T, index: number, all: readonly T[]) => value !== undefined && all.indexOf(value) < index;
  for (const [index, { slot, name }] of members.entries()) {
    const at = ["members", index];
    const names = members.map((each) => each.name);
    if (isDouble(slot, index, slotsOf(members))) wrong([...at, "slot"], "allowed: each slot once");
    if (isDouble(name, index, names)) wrong([...at, "name"], "allowed: each name once");
    if (name !== undefined && !name.startsWith(`${group}-`))
      wrong([...at, "name"], `allowed: a host of this group, "${group}-…"`);
  }
  const highest = Math.max(0, ...slotsOf(members));
  if (nextSlot <= highest) wrong(["nextSlot"], `allowed: more than every slot; the highest is ${highest}`);
});

const slotsOf = (members: readonly { slot: number }[]) => members.map(({ slot }) => slot);

/** One host of a group. */
export type Member = z.infer<typeof member>;
/** What a project remembers of a group: `stacks/groups/<group>.json`. Public, committed like stack files. */
export type Roster = z.infer<typeof roster>;

const folderOf = (layout: Layout) => join(layout.stacks, "groups");
const fileOf = (layout: Layout, group: string) => join(folderOf(layout), `${group}.json`);

/** The groups of the project, sorted. */
export function listRosters(layout: Layout): string[] {
  return readFolder(folderOf(layout))
    .flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? [])
    .sort();
}

/**
 * @returns undefined for a group that has none yet
 * @throws SettingsError if it cannot be read, or is another group's
 */
export function readRoster(layout: Layout, group: string): Roster | undefined {
  const path = fileOf(layout, group);
  const where = relative(layout.root, path);
  const read = readText(path, where, layout.stacks);
  if (read.problems.length > 0) throw new SettingsError(read.problems);
  if (read.text === undefined) return undefined;
  const { value, problems } = parseJsonText(read.text, where);
  if (problems.length > 0) throw new SettingsError(problems);
  const named = entries.pick({ group: true }).loose().safeParse(value);
  if (named.success && named.data.group !== group) {
    const problem = `is "${named.data.group}"; allowed: the file's own name, "${group}".`;
    throw new SettingsError([{ code: "settings-disagree", subject: where, setting: "group", problem }]);
  }
  const parsed = roster.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SettingsError(problemsOf(parsed.error, value, { where, known: Object.keys(entries.shape) }));
}

/** Reads, changes and writes a roster while no other process does. @param change returns undefined to leave it as it is */
export async function changeRoster(
  layout: Layout,
  group: string,
  change: (before: Roster | undefined) => Roster | undefined,
): Promise<void> {
  await asOnlyWriter(layout, async () => {
    const before = readRoster(layout, group);
    const after = change(before);
    if (after === undefined || (existsSync(fileOf(layout, group)) && same(before, after))) return;
    await writePublicFile(fileOf(layout, group), `${JSON.stringify(after, null, 2)}\n`);
  });
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** The group that has a host of this name. */
export function rosterWith(layout: Layout, host: string): Roster | undefined {
  for (const group of listRosters(layout)) {
    const found = readRoster(layout, group);
    if (found?.members.some(({ name }) => name === host)) return found;
  }
  return undefined;
}
