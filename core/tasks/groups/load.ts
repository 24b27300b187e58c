import { z } from "zod";
import { SettingsError } from "../../base/errors.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { didYouMean } from "../../base/nearest.ts";
import { problemsOf } from "../../base/problems.ts";
import { quoted } from "../../base/wording.ts";
import { type GroupDeclaration, type GroupPlan, planGroup } from "../../project/groups/plan.ts";
import { changeRoster, groupName, type Member, readRoster, rosterWith } from "../../project/groups/roster.ts";
import { minutesOf, ttlText } from "../../project/groups/ttl.ts";
import { findLayout, type Layout } from "../../project/layout.ts";
import { completeSettings } from "../../project/settings/host.ts";
import { hostName } from "../../project/settings/names.ts";
import { checkStackConfig } from "../../project/settings/stack-config/check.ts";
import { eachOnce } from "../../project/settings/stack-config/fields.ts";
import { configNamespace } from "../../project/settings/stack-config/stack-config.ts";
import { listStackFiles, readRawStackFile, readStackFile } from "../../project/settings/stack-file.ts";
import { loadProgram, type Program } from "../program.ts";
import { ensureMember, memberConfig } from "./member.ts";

/** What a program says of a group. */
export interface GroupSettings {
  /** How many hosts, 0 to 100. EACH COSTS MONEY. */
  count: number;
  /** The host whose settings and secrets each of them gets. @default the group's name */
  like?: string | undefined;
  /** Hosts by name that are never removed, neither by a smaller `count` nor after `ttl`. @default `[]` */
  protect?: readonly string[] | undefined;
  /** Time to live of each host, e.g. `8h`. @default none */
  ttl?: string | undefined;
  /** Increase it to fill the places of hosts that outlived their time. @default `0` */
  generation?: number | undefined;
}

export interface GroupContext {
  /** The group's name, which each host's name begins with. */
  group: string;
  settings: GroupSettings;
  /** The stack that has the group. */
  stack: string;
  folder: string;
  environment: Environment;
  /** True in a preview, which changes no file. */
  dryRun: boolean;
  now: Date;
}

/** One host to have. */
export interface LoadedMember {
  slot: number;
  /** What to create; undefined for a host whose name an update has yet to draw. */
  program?: Pick<Program, "settings"> & Partial<Program>;
}

export interface LoadedGroup {
  /** Oldest first. */
  members: LoadedMember[];
  /** Gives a new host its files and its place in the roster. */
  make: (slot: number, host: string) => Promise<Program>;
  /** What a person should know before they confirm, a sentence each. */
  notes: string[];
}

const whole = (most: number) => {
  const allowed = `allowed: a whole number from 0 to ${most}`;
  return z.number(allowed).int(allowed).min(0, allowed).max(most, allowed);
};

const groupSettings = z.strictObject(
  {
    count: whole(100),
    like: hostName.optional(),
    protect: z.array(hostName, "allowed: a list of host names").superRefine(eachOnce("name")).optional(),
    ttl: ttlText.optional(),
    generation: whole(1_000_000).optional(),
  },
  { error: ({ code }) => (code === "invalid_type" ? objectAllowed : undefined) },
);

const objectAllowed = "allowed: an object with count, like, protect, ttl and generation";

/**
 * Decides which hosts a group has, and reads their settings. An update also writes the roster and the hosts' files.
 * @throws SettingsError with all problems at once, before anything is changed
 */
export async function loadGroupProgram(context: GroupContext): Promise<LoadedGroup> {
  const declared = declarationOf(context);
  const layout = findLayout(context.folder);
  const plan = planned(declared, layout, context);
  checkPattern(declared, layout);
  const notes = notesOf(declared, plan, context.dryRun);
  if (context.dryRun) return { members: await previewed(declared, plan, layout, context), make: noMaking, notes };

  await changeRoster(layout, declared.group, (before) => checkedPlan(declared, before, context.now).roster);
  const one = inTurn();
  const make = (host: string, isProtected: boolean, slot?: number) =>
    one(async () => {
      // Before its keys, so that a host with files always belongs to a group.
      if (slot !== undefined) await recordName(layout, declared.group, slot, host);
      const { environment, folder } = context;
      await ensureMember({ layout, host, like: declared.like, isProtected, environment, sops: "sops" });
      return loadProgram({ stack: host, folder, environment, dryRun: false });
    });
  const members: LoadedMember[] = [];
  for (const { slot, name, isProtected } of plan.members)
    members.push({ slot, ...(name !== undefined && { program: await make(name, isProtected) }) });
  return {
    members,
    notes,
    make: (slot, host) => make(host, false, slot),
  };
}

/** @throws SettingsError if the hosts of a group cannot be like this one */
function checkPattern({ group, like, count }: GroupDeclaration, layout: Layout): void {
  const about = { subject: `HostGroup ${quoted(group)}`, setting: "like" };
  const known = listStackFiles(layout);
  const owner = rosterWith(layout, like);
  if (owner) {
    const problem = `is "${like}", which is a host of the group "${owner.group}".`;
    const fix = "Its settings go when it goes. Name a host that stays.";
    throw new SettingsError([{ code: "settings-disagree", ...about, problem, fix }]);
  }
  if (!known.includes(like)) {
    const problem = `is "${like}", which has no stack file${didYouMean(like, known)}.`;
    const fix = `Create it: clawdlets init --host ${like}`;
    throw new SettingsError([{ code: "no-such-host", ...about, problem, fix }]);
  }
  const { value, problems } = readStackFile(layout, like);
  if (!value) throw new SettingsError(problems);
  if (value.install.mode === "full" || count === 0) return;
  throw new SettingsError([
    {
      code: "settings-disagree",
      subject: `stacks/Pulumi.${like}.yaml`,
      setting: `${configNamespace}:install.mode`,
      problem: 'is "snapshot", and a snapshot holds the system of one host.',
      fix: `Set it to "full" and clawdlets:image to e.g. debian-12: the hosts of the group ${quoted(group)} get these settings.`,
    },
  ]);
}

async function recordName(layout: Layout, group: string, slot: number, name: string): Promise<void> {
  const createdAt = new Date().toISOString();
  await changeRoster(layout, group, (before) => {
    const named = (each: Member): Member => (each.slot === slot ? { ...each, name, createdAt } : each);
    return before && { ...before, members: before.members.map(named) };
  });
}

function declarationOf({ group, settings, stack }: GroupContext): GroupDeclaration {
  const where = `HostGroup ${quoted(group)}`;
  const name = groupName.safeParse(group);
  const parsed = groupSettings.safeParse(settings);
  const problems = [
    ...(name.error
      ? problemsOf(name.error, group, { where, known: [] }).map((each) => ({ ...each, setting: "name" }))
      : []),
    ...(parsed.error ? problemsOf(parsed.error, settings, { where, known: Object.keys(groupSettings.shape) }) : []),
  ];
  if (!parsed.success || problems.length > 0) throw new SettingsError(problems);
  const { count, like = group, protect = [], ttl, generation = 0 } = parsed.data;
  return { group, like, stack, count, protect, ttlMinutes: ttl === undefined ? undefined : minutesOf(ttl), generation };
}

const planned = (declared: GroupDeclaration, layout: Layout, { now }: GroupContext) =>
  checkedPlan(declared, readRoster(layout, declared.group), now);

function checkedPlan(declared: GroupDeclaration, before: Parameters<typeof planGroup>[1], now: Date): GroupPlan {
  const { plan, problems } = planGroup(declared, before, now);
  if (!plan) throw new SettingsError(problems);
  return plan;
}

/** Hosts without keys so far are shown with the public halves of the other host's. */
async function previewed(
  { group, like }: GroupDeclaration,
  plan: GroupPlan,
  layout: Layout,
  { folder, environment }: GroupContext,
): Promise<LoadedMember[]> {
  const members: LoadedMember[] = [];
  for (const { slot, name, isProtected } of plan.members) {
    const host = name ?? placeholderName(group, slot);
    const config = memberConfig({ layout, host, like, isProtected });
    // A host outside the group may be called like a placeholder.
    const hasKeys = name !== undefined && config["ageRecipient"] !== undefined;
    members.push({
      slot,
      program: hasKeys
        ? await loadProgram({
            stack: host,
            config: asConfig(config),
            folder,
            environment,
            dryRun: true,
            writtenByUpdate: true,
          })
        : { settings: placeholderSettings(layout, host, like) },
    });
  }
  return members;
}

/** What a preview calls a host whose name is not drawn yet. */
const placeholderName = (group: string, slot: number) => `${group}-new-${slot}`;

function placeholderSettings(layout: Layout, host: string, like: string) {
  const { value, problems } = checkStackConfig(
    { ...readRawStackFile(layout, like), flakeHost: host, protect: false, reinstall: 0 },
    `stacks/Pulumi.${like}.yaml`,
  );
  if (!value) throw new SettingsError(problems);
  return completeSettings(host, value);
}

/** As the engine passes settings. */
const asConfig = (config: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      `${configNamespace}:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );

function notesOf({ group }: GroupDeclaration, plan: GroupPlan, dryRun: boolean): string[] {
  const names = (members: readonly Member[]) => members.flatMap(({ name }) => name ?? []).join(", ");
  const added = plan.members.filter(({ name }) => name === undefined);
  const placeholders = added.map(({ slot }) => placeholderName(group, slot)).join(", ");
  return [
    ...(names(plan.outlived) ? [`${group}: outlived, so the update destroys them: ${names(plan.outlived)}`] : []),
    ...(names(plan.leaving) ? [`${group}: no longer needed, so the update destroys them: ${names(plan.leaving)}`] : []),
    ...(plan.roster.outlived.length > 0
      ? [
          `${group}: ${plan.roster.outlived.length} outlived earlier and still count. Increase generation to fill their places.`,
        ]
      : []),
    ...(dryRun && added.length > 0
      ? [`${group}: the update draws the names of new hosts, shown here as ${placeholders}`]
      : []),
  ];
}

/** The project's lock is waited for a minute at most: hosts of one group take turns before they ask for it. */
function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };
}

const noMaking = () => Promise.reject(new Error("a preview makes no host"));
