import { didYouMean } from "../../base/nearest.ts";
import type { Problem } from "../../base/problem.ts";
import { quoted } from "../../base/wording.ts";
import type { Member, Roster } from "./roster.ts";
import { expiresAt } from "./ttl.ts";

/** What a program declares of a group, checked. */
export interface GroupDeclaration {
  group: string;
  like: string;
  stack: string;
  count: number;
  /** Names of hosts that neither scaling nor the time to live takes. */
  protect: readonly string[];
  ttlMinutes: number | undefined;
  generation: number;
}

export interface GroupPlan {
  /** The roster from now on. Hosts that leave stay in it until they are destroyed. */
  roster: Roster;
  /** Hosts to have, oldest first; those without a name are new. */
  members: Member[];
  /** Hosts that have outlived their time, oldest first. */
  outlived: Member[];
  /** Hosts to be removed because the group shrinks, newest first. */
  leaving: Member[];
}

/**
 * Decides which hosts a group has. Pure, so that a preview and an update decide the same.
 * @param before the group's roster, if it has one
 * @returns every problem, or the plan
 */
export function planGroup(
  declared: GroupDeclaration,
  before: Roster | undefined,
  now: Date,
): { plan?: GroupPlan; problems: Problem[] } {
  const { group, like, stack, count, protect, ttlMinutes } = declared;
  const known = before ?? { nextSlot: 1, members: [], outlived: [], generation: 0 };
  const generation = Math.max(declared.generation, known.generation);
  const spent = generation > known.generation ? [] : known.outlived;
  const members = [...known.members].sort((one, other) => one.slot - other.slot);
  const problems = [...misplaced(declared, before), ...unknownNames(declared, members), ...tooFew(declared)];
  if (problems.length > 0) return { problems };

  const isKept = ({ name }: Member) => name !== undefined && protect.includes(name);
  const outlived = members.filter((each) => !isKept(each) && hasOutlived(each, ttlMinutes, now));
  const alive = members.filter((each) => !outlived.includes(each));
  const target = Math.max(count - spent.length - outlived.length, protect.length);
  const removable = alive.filter((each) => !isKept(each)).reverse();
  const leaving = removable.slice(0, Math.max(0, alive.length - target));
  const held = leaving.filter(({ isProtected }) => isProtected);
  if (held.length > 0) return { problems: [stillProtected(declared, held)] };

  const staying = alive.filter((each) => !leaving.includes(each));
  const added = Array.from({ length: Math.max(0, target - alive.length) }, (_, index) => ({
    slot: known.nextSlot + index,
    isProtected: false,
  }));
  const next = [...staying, ...added].map((each) => ({ ...each, isProtected: isKept(each) }));
  // A slot without a name has no host and no files.
  const going = [...outlived, ...leaving].filter(({ name }) => name !== undefined);
  const roster: Roster = {
    version: 1,
    group,
    like,
    stack,
    ...(ttlMinutes !== undefined && { ttlMinutes }),
    generation,
    nextSlot: known.nextSlot + added.length,
    members: [...next, ...going].sort((one, other) => one.slot - other.slot),
    outlived: spent,
  };
  return { plan: { roster, members: next, outlived, leaving }, problems: [] };
}

/**
 * Whether a host has outlived its time: from that very millisecond on. A host that the last `up` protected has not, as the engine would
 * refuse to delete it.
 */
export function hasOutlived(member: Member, ttlMinutes: number | undefined, now: Date): boolean {
  const end = expiresAt(member.createdAt, ttlMinutes);
  return !member.isProtected && end !== undefined && Date.parse(end) <= now.getTime();
}

const subjectOf = ({ group }: GroupDeclaration) => `HostGroup ${quoted(group)}`;

/** Another stack's group of the same name would destroy its hosts. */
function misplaced(declared: GroupDeclaration, before: Roster | undefined): Problem[] {
  if (!before || before.members.length === 0 || before.stack === declared.stack) return [];
  return [
    {
      code: "not-unique",
      subject: subjectOf(declared),
      setting: "name",
      problem: `the stack ${quoted(before.stack)} has a group of this name, and this is the stack ${quoted(declared.stack)}.`,
      fix: "Choose another name.",
    },
  ];
}

function unknownNames(declared: GroupDeclaration, members: readonly Member[]): Problem[] {
  const names = members.flatMap(({ name }) => name ?? []);
  return declared.protect
    .filter((name) => !names.includes(name))
    .map((name) => ({
      code: "no-such-host",
      subject: subjectOf(declared),
      setting: "protect",
      problem: `${quoted(name)} is not a host of this group${didYouMean(name, names)}; it has ${names.join(", ") || "none"}.`,
    }));
}

function tooFew(declared: GroupDeclaration): Problem[] {
  const { count, protect } = declared;
  if (count >= protect.length) return [];
  return [
    {
      code: "group-protected",
      subject: subjectOf(declared),
      setting: "count",
      problem: `is ${count}, and ${protect.length === 1 ? "1 host is" : `${protect.length} hosts are`} protected: ${protect.join(", ")}.`,
      fix: `Set it to ${protect.length} or more, or take hosts out of protect first.`,
    },
  ];
}

/** The engine refuses to delete what its state protects, and would notice half-way. */
function stillProtected(declared: GroupDeclaration, held: readonly Member[]): Problem {
  const names = held.flatMap(({ name }) => name ?? []).join(", ");
  return {
    code: "group-protected",
    subject: subjectOf(declared),
    setting: "protect",
    problem: `no longer names ${names}, which the last update protected, and count ${declared.count} would remove ${held.length === 1 ? "it" : "them"} in the same run.`,
    fix: "Run an update with the old count first: it lifts the protection. Then lower count.",
  };
}
