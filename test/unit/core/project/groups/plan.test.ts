import { describe, expect, it } from "vitest";
import { type GroupDeclaration, hasOutlived, planGroup } from "../../../../../core/project/groups/plan.ts";
import type { Member, Roster } from "../../../../../core/project/groups/roster.ts";
import { expiresAt, minutesOf, ttlText } from "../../../../../core/project/groups/ttl.ts";

const now = new Date("2026-11-28T12:00:00.000Z");
const createdAt = "2026-11-28T11:00:00.000Z";
const host = (slot: number, more: Partial<Member> = {}): Member => ({
  slot,
  name: `w-${slot}`,
  createdAt,
  isProtected: false,
  ...more,
});
const declared = (more: Partial<GroupDeclaration> = {}): GroupDeclaration => ({
  group: "workers",
  like: "workers",
  stack: "prod",
  count: 3,
  protect: [],
  ttlMinutes: undefined,
  generation: 0,
  ...more,
});
const roster = (members: Member[], more: Partial<Roster> = {}): Roster => ({
  version: 1,
  group: "workers",
  like: "workers",
  stack: "prod",
  generation: 0,
  nextSlot: Math.max(0, ...members.map(({ slot }) => slot)) + 1,
  members,
  outlived: [],
  ...more,
});

const slots = (members: readonly Member[] = []) => members.map(({ slot }) => slot);
function planned(given: Partial<GroupDeclaration>, before?: Roster) {
  const { plan, problems } = planGroup(declared(given), before, now);
  expect(problems).toEqual([]);
  return { have: slots(plan?.members), leave: slots(plan?.leaving), outlived: slots(plan?.outlived), plan };
}
const five = [1, 2, 3, 4, 5].map((slot) => host(slot));

describe("the size of a group", () => {
  it.each([
    ["nothing yet", undefined, 5, [1, 2, 3, 4, 5], []],
    ["none wanted", undefined, 0, [], []],
    ["the same size", roster(five), 5, [1, 2, 3, 4, 5], []],
    ["two fewer: the newest", roster(five), 3, [1, 2, 3], [5, 4]],
    ["none left", roster(five), 0, [], [5, 4, 3, 2, 1]],
    ["one more", roster(five), 6, [1, 2, 3, 4, 5, 6], []],
    ["a slot is never used twice", roster(five.slice(0, 3), { nextSlot: 6 }), 5, [1, 2, 3, 6, 7], []],
    ["a slot without a name waits for one", roster([host(1), { slot: 2, isProtected: false }]), 2, [1, 2], []],
  ])("%s", (_, before, count, have, leave) => {
    expect(planned({ count }, before)).toMatchObject({ have, leave, outlived: [] });
  });

  it("never changes the others' names", () => {
    for (const count of [0, 2, 3, 5, 6, 20]) {
      const { plan } = planned({ count }, roster(five));
      for (const { slot, name } of plan?.members ?? []) if (slot <= 5) expect(name).toBe(`w-${slot}`);
    }
  });

  it("keeps who leaves in the roster until they are destroyed, and forgets slots without a host", () => {
    const before = roster([host(1), host(2), { slot: 3, isProtected: false }]);
    const { plan } = planned({ count: 1 }, before);
    expect(slots(plan?.roster.members)).toEqual([1, 2]);
    expect(planned({ count: 1 }, plan?.roster)).toMatchObject({ have: [1], leave: [2] });
  });
});

describe("protected hosts", () => {
  it.each([
    ["the newest stays", 3, ["w-5"], [1, 2, 5], [4, 3]],
    ["all that stay", 2, ["w-2", "w-5"], [2, 5], [4, 3, 1]],
    ["the oldest", 1, ["w-1"], [1], [5, 4, 3, 2]],
  ])("%s", (_, count, protect, have, leave) => {
    const { plan, ...rest } = planned({ count, protect }, roster(five));
    expect(rest).toMatchObject({ have, leave });
    expect(plan?.members.filter(({ isProtected }) => isProtected).map(({ name }) => name)).toEqual(protect);
  });

  it.each([
    [1, ["w-1", "w-2"], "count", /is 1, and 2 hosts are protected: w-1, w-2/],
    [0, ["w-3"], "count", /is 0, and 1 host is protected: w-3/],
    [5, ["w-6"], "protect", /"w-6" is not a host of this group.*it has w-1, w-2/],
  ])("count %s with protect %s is refused", (count, protect, setting, problem) => {
    const { plan, problems } = planGroup(declared({ count, protect }), roster(five), now);
    expect(plan).toBeUndefined();
    expect(problems).toEqual([expect.objectContaining({ setting, problem: expect.stringMatching(problem) })]);
  });

  it("lose their protection in one run, and can be removed in the next", () => {
    const before = roster([host(1), host(2, { isProtected: true })]);
    const { problems } = planGroup(declared({ count: 1 }), before, now);
    expect(problems).toEqual([expect.objectContaining({ code: "group-protected", setting: "protect" })]);
    const { plan } = planned({ count: 2 }, before);
    expect(planned({ count: 1 }, plan?.roster)).toMatchObject({ have: [1], leave: [2] });
  });
});

describe("a time to live", () => {
  const ttlMinutes = 60;

  it.each([
    [59 * 60_000 + 59_999, false],
    [60 * 60_000, true],
    [60 * 60_000 + 1, true],
  ])("of 60 minutes after %s ms: outlived is %s", (age, is) => {
    expect(hasOutlived(host(1), ttlMinutes, new Date(Date.parse(createdAt) + age))).toBe(is);
  });

  it("takes no host without one, without a name, or with protection", () => {
    const late = new Date("2027-11-28T12:00:00.000Z");
    expect(hasOutlived(host(1), undefined, late)).toBe(false);
    expect(hasOutlived({ slot: 1, isProtected: false }, ttlMinutes, late)).toBe(false);
    expect(hasOutlived(host(1, { isProtected: true }), ttlMinutes, late)).toBe(false);
    expect(planned({ count: 1, ttlMinutes, protect: ["w-1"] }, roster([host(1)]))).toMatchObject({ have: [1] });
  });

  const young = { createdAt: "2026-11-28T11:30:00.000Z" };

  it.each([
    ["all are gone, and not bought again", five, 5, [], [], [1, 2, 3, 4, 5]],
    ["the young stay", [host(1), host(2, young)], 2, [2], [], [1]],
    ["a bigger group gets the difference", [host(1), host(2, young)], 3, [2, 3], [], [1]],
    ["a smaller group removes more", [host(1), host(2, young), host(3, young)], 2, [2], [3], [1]],
  ])("%s", (_, members, count, have, leave, outlived) => {
    expect(planned({ count, ttlMinutes }, roster(members))).toMatchObject({ have, leave, outlived });
  });

  it("counts those that were reaped until the generation is raised", () => {
    const reaped = roster([], { nextSlot: 6, outlived: ["w-1", "w-2", "w-3", "w-4", "w-5"] });
    expect(planned({ count: 5, ttlMinutes }, reaped)).toMatchObject({ have: [] });
    expect(planned({ count: 6, ttlMinutes }, reaped)).toMatchObject({ have: [6] });
    const again = planned({ count: 2, ttlMinutes, generation: 1 }, reaped);
    expect(again).toMatchObject({ have: [6, 7], plan: { roster: { generation: 1, outlived: [] } } });
  });

  it.each([
    ["9m", false],
    ["10m", true],
    ["8h", true],
    ["365d", true],
    ["366d", false],
    ["8760h", true],
    ["8761h", false],
    ["0h", false],
    ["8", false],
    ["1.5h", false],
    ["-1h", false],
    ["8 h", false],
    ["1w", false],
    ["", false],
  ])("%j: allowed is %s", (text, is) => {
    expect(ttlText.safeParse(text).success).toBe(is);
  });

  it("is counted from the creation", () => {
    expect(expiresAt(createdAt, minutesOf("8h"))).toBe("2026-11-28T19:00:00.000Z");
    expect(expiresAt(createdAt, minutesOf("3d"))).toBe("2026-12-01T11:00:00.000Z");
    expect(expiresAt(undefined, 60)).toBeUndefined();
  });
});

it("refuses a group that another stack has", () => {
  const { problems } = planGroup(declared({ stack: "test" }), roster(five), now);
  expect(problems).toEqual([
    expect.objectContaining({ code: "not-unique", problem: expect.stringContaining('"prod"') }),
  ]);
});
