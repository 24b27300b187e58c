import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../../../core/base/errors.ts";
import { hostLayoutOf } from "../../../../../core/project/layout.ts";
import { addToStackFile } from "../../../../../core/project/settings/stack-file.ts";
import { type GroupSettings, loadGroupProgram } from "../../../../../core/tasks/groups/load.ts";
import { findOutlived } from "../../../../../core/tasks/groups/outlived.ts";
import { project } from "../../../../_project.ts";

const like = "clawdbot-fleet-host";
const now = new Date("2026-11-28T12:00:00.000Z");
const roster = {
  version: 1,
  group: "workers",
  like,
  stack: "prod",
  ttlMinutes: 60,
  nextSlot: 4,
  members: [
    { slot: 1, name: "workers-red-ox", createdAt: "2026-11-28T11:00:00.000Z" },
    { slot: 2, name: "workers-tan-hen", createdAt: "2026-11-28T11:00:00.001Z" },
    { slot: 3, name: "workers-shy-bee", createdAt: "2026-11-28T10:00:00.000Z", isProtected: true },
  ],
};

/** The roster with its first host and one more. */
const with2 = (member: object) => ({ ...roster, members: [roster.members[0], member] });

function withRoster(content?: unknown) {
  const layout = project();
  if (content === undefined) return layout;
  mkdirSync(join(layout.stacks, "groups"));
  writeFileSync(
    join(layout.stacks, "groups", "workers.json"),
    typeof content === "string" ? content : JSON.stringify(content),
  );
  return layout;
}

const load = (settings: object, { group = "workers", dryRun = true, layout = withRoster() } = {}) =>
  loadGroupProgram({
    group,
    settings: { like, ...settings } as GroupSettings,
    stack: "prod",
    folder: layout.root,
    environment: {},
    dryRun,
    now,
  });

const refusal = async (run: Promise<unknown>) => {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).problems.map(({ setting, problem }) => `${setting}: ${problem}`).join("\n");
};

describe("bad input is refused before any file is written", () => {
  it.each([
    [{}, /count: missing/],
    [{ count: -1 }, /count: is -1; allowed: a whole number from 0 to 100/],
    [{ count: 101 }, /count: is 101/],
    [{ count: 1.5 }, /count: is 1.5/],
    [{ count: "3" }, /count: is "3"/],
    [{ count: 1, ttl: "9m" }, /ttl: is "9m"; allowed: whole minutes/],
    [{ count: 1, ttl: 8 }, /ttl: is 8/],
    [{ count: 1, protect: "workers-red-ox" }, /protect: is "workers-red-ox"; allowed: a list/],
    [{ count: 2, protect: ["a", "b", "a"] }, /protect\.2: is "a"; allowed: each name once/],
    [{ count: Number.NaN }, /count: is NaN/],
    [{ count: null }, /count: is null/],
    [{ count: 1e9 }, /count: is 1000000000; allowed: a whole number from 0 to 100/],
    [{ count: 1, ttl: "" }, /^ttl: is ""; allowed: whole minutes, hours or days, from 10m to 365d, e\.g\. 8h\.$/],
    [{ count: 1, ttl: "0h" }, /^ttl: is "0h"[^\n]*$/],
    [{ count: 1, ttl: "-1h" }, /^ttl: is "-1h"[^\n]*$/],
    [{ count: 1, ttl: "-1d" }, /^ttl: is "-1d"; allowed: whole minutes, hours or days, from 10m to 365d[^\n]*$/],
    [{ count: 1, ttl: "1e3h" }, /^ttl: is "1e3h"; allowed: whole minutes[^\n]*$/],
    [{ count: 1, ttl: "1.5h" }, /^ttl: is "1\.5h"; allowed: whole minutes[^\n]*$/],
    [{ count: 1, ttl: " 8h" }, /^ttl: is " 8h"; allowed: whole minutes[^\n]*$/],
    [{ count: 1, ttl: "8 h" }, /^ttl: is "8 h"; allowed: whole minutes[^\n]*$/],
    [{ count: 1, ttl: "8h\n" }, /^ttl: is "8h\\n"; allowed: whole minutes[^\n]*$/],
    [{ count: 1, ttl: "366d" }, /^ttl: is "366d"; allowed: whole minutes, hours or days, from 10m to 365d[^\n]*$/],
    [{ count: 1, ttl: "36525d" }, /^ttl: is "36525d"; allowed: whole minutes[^\n]*$/],
    [{ count: 1, ttl: "876600h" }, /^ttl: is "876600h"; allowed: whole minutes[^\n]*$/],
    [{ count: Number.POSITIVE_INFINITY }, /count: is Infinity; allowed: a whole number from 0 to 100/],
    [{ count: [3] }, /count: is a list; allowed: a whole number from 0 to 100/],
    [{ count: 1, ttl: "1w" }, /^ttl: is "1w"[^\n]*$/],
    [{ count: 1, ttl: "8H" }, /^ttl: is "8H"[^\n]*$/],
    [{ count: 1, ttl: "999999d" }, /^ttl: is "999999d"[^\n]*$/],
    [{ count: 1, ttl: "9999999d" }, /^ttl: is "9999999d"[^\n]*$/],
    [{ count: 1, protect: ["workers-red-cow"] }, /protect: "workers-red-cow" is not a host of this group/],
    [{ count: 1, generation: -1 }, /generation: is -1/],
    [{ count: 1, tll: "8h" }, /tll: unknown setting; did you mean "ttl"|tll: unknown setting/],
    [{ count: 1, like: "Web" }, /like: is "Web"/],
    [{ count: 1, like: "web-9" }, /^like: is "web-9", which has no stack file/],
    [{ count: 1, like: "clawdbot-fleet-hots" }, /has no stack file \(did you mean "clawdbot-fleet-host"\?\)/],
  ])("%j", async (settings, expected) => {
    for (const dryRun of [true, false]) {
      const layout = withRoster();
      expect(await refusal(load(settings, { layout, dryRun }))).toMatch(expected);
      expect(existsSync(join(layout.stacks, "groups"))).toBe(false);
    }
  });

  it.each([[null], [5], ["5"], [[]], [true]])("settings that are %j", async (settings) => {
    const { root } = withRoster();
    const given = { group: "workers", settings: settings as never, stack: "prod", folder: root, environment: {}, now };
    expect(await refusal(loadGroupProgram({ ...given, dryRun: true }))).toMatch(
      /: is .*; allowed: an object with count, like, protect, ttl and generation\.$/,
    );
  });

  it.each([
    ["of this group", "workers", /^like: is "workers-red-ox", which is a host of the group "workers"\.$/],
    ["of another group", "others", /^like: is "workers-red-ox", which is a host of the group "workers"\.$/],
  ])("a pattern that is a host %s, which goes with its stack file", async (_, group, expected) => {
    const layout = withRoster(roster);
    const { stackFile } = hostLayoutOf(layout, "workers-red-ox");
    copyFileSync(hostLayoutOf(layout, like).stackFile, stackFile);
    expect(await refusal(load({ count: 3, like: "workers-red-ox" }, { group, layout }))).toMatch(expected);
  });

  it("a pattern that starts from a snapshot, which holds the system of one host", async () => {
    const layout = withRoster();
    await addToStackFile(layout, like, { image: "250000001", install: { mode: "snapshot" } }, ["image", "install"]);
    for (const dryRun of [true, false])
      expect(await refusal(load({ count: 1 }, { layout, dryRun }))).toMatch(
        /^clawdlets:install\.mode: is "snapshot", and a snapshot holds the system of one host\.$/,
      );
    expect((await load({ count: 0 }, { layout })).members).toEqual([]);
  });

  it.each(["Workers", "w_1", "-w", "w-", "", "w".repeat(31)])("a group called %j", async (group) => {
    expect(await refusal(load({ count: 1 }, { group }))).toMatch(/^name: .*allowed: a lowercase letter/);
  });

  it.each([
    ["{", /./],
    [{ ...roster, version: 2 }, /version: is 2; allowed: 1/],
    [{ ...roster, group: "other" }, /group: is "other"; allowed: the file's own name/],
    [{ ...roster, members: [{ slot: 1, name: "../x" }] }, /members.0.name/],
    ["", /workers\.json is empty|not JSON/],
    ["<<<<<<< HEAD\n{}", /not JSON/],
    [with2({ slot: 1, name: "workers-shy-bee" }), /^members\.1\.slot: is 1; allowed: each slot once\.$/],
    [with2({ slot: 2, name: "workers-red-ox" }), /^members\.1\.name: is "workers-red-ox"; allowed: each name once\.$/],
    [with2({ slot: 2, name: "web-1" }), /^members\.1\.name: is "web-1"; allowed: a host of this group, "workers-…"\.$/],
    [
      with2({ slot: 4, name: "workers-shy-bee" }),
      /^nextSlot: is 4; allowed: more than every slot; the highest is 4\.$/,
    ],
  ])("a roster that is wrong: %j", async (content, expected) => {
    expect(await refusal(load({ count: 1 }, { layout: withRoster(content) }))).toMatch(expected);
  });
});

describe("a preview", () => {
  it("shows hosts without a name under placeholders, with the pattern's settings, and writes nothing", async () => {
    const layout = withRoster();
    const { members, notes } = await load({ count: 2 }, { layout });
    expect(members.map(({ program }) => program?.settings.host)).toEqual(["workers-new-1", "workers-new-2"]);
    expect(members[0]?.program?.settings).toMatchObject({
      flakeHost: "workers-new-1",
      serverType: "cx43",
      protect: false,
    });
    expect(notes).toEqual([expect.stringContaining("shown here as workers-new-1, workers-new-2")]);
    expect(existsSync(join(layout.stacks, "groups"))).toBe(false);
  });

  it("shows no settings of a host that is called like a placeholder", async () => {
    const layout = withRoster();
    copyFileSync(hostLayoutOf(layout, like).stackFile, hostLayoutOf(layout, "workers-new-1").stackFile);
    await addToStackFile(layout, "workers-new-1", { reinstall: 7 }, ["reinstall"]);
    const { members } = await load({ count: 1 }, { layout });
    expect(members[0]?.program).toEqual({ settings: expect.objectContaining({ reinstall: 0, host: "workers-new-1" }) });
  });

  it("names who outlived their time and who is no longer needed", async () => {
    const layout = withRoster(roster);
    const { members, notes } = await load({ count: 2, ttl: "1h", protect: ["workers-shy-bee"] }, { layout });
    expect(members.map(({ slot }) => slot)).toEqual([3]);
    expect(notes.join("\n")).toMatch(/outlived, so .*: workers-red-ox\n.*no longer needed.*: workers-tan-hen/);
  });

  it.each([0, 1, 100])("accepts a group of %i", async (count) => {
    expect((await load({ count })).members).toHaveLength(count);
  });

  it.each(["10m", "24h", "365d", "8760h"])("accepts a time to live of %s", async (ttl) => {
    expect((await load({ count: 1, ttl })).members).toHaveLength(1);
  });
});

describe("what has outlived its time", () => {
  it("is listed to the millisecond, without protected hosts", () => {
    const layout = withRoster(roster);
    expect(findOutlived(layout, now).map(({ host }) => host)).toEqual(["workers-red-ox"]);
    expect(findOutlived(layout, new Date(now.getTime() - 1))).toEqual([]);
    const hosts = findOutlived(layout, new Date(now.getTime() + 1), "workers").map(({ host }) => host);
    expect(hosts).toEqual(["workers-red-ox", "workers-tan-hen"]);
    expect(findOutlived(layout, now)[0]?.expiredAt).toBe(now.toISOString());
  });

  it("is nothing without groups, and an unknown group is refused", async () => {
    expect(findOutlived(withRoster(), now)).toEqual([]);
    const unknown = async () => findOutlived(withRoster(roster), now, "worker");
    expect(await refusal(unknown())).toMatch(/--group: "worker" is not a group.*it has workers/);
  });
});
