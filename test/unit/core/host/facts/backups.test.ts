import { describe, expect, it } from "vitest";
import { backupAges, backupLine, parseBackups, staleBackups } from "../../../../../core/host/facts/backups.ts";

const never = { good: "", tried: "", problem: "", why: "" };
const restore = { id: "", bot: "", snapshot: "", to: "", phase: "", result: "", folder: "", why: "" };
const run = { phase: "done", started: "", ended: "" };
const now = new Date("2026-11-27T12:00:00Z");
const answer = (maren: object) =>
  JSON.stringify({ bots: { maren: { ...never, snapshot: "", ...maren } }, check: never, run, restore });
const settings = { maxAgeHours: 36 };

describe("what a host says about its backups", () => {
  it.each([
    ["2026-11-27T12:00:00Z", 0, false],
    ["2026-11-26T00:00:00Z", 36, false],
    ["2026-11-25T23:50:00Z", 36.2, true],
    ["2026-11-27T13:00:00Z", 0, false], // Its clock is ahead.
  ])("counts the age of a backup of %s", (good, ageHours, stale) => {
    const state = parseBackups(`Welcome!\n${answer({ good, snapshot: "0123abcd" })}\n`);
    expect(backupAges(settings, ["maren"], state, now)).toEqual([
      { bot: "maren", good, snapshot: "0123abcd", ageHours, stale },
    ]);
  });

  it.each([
    ["no file", "cat: /var/lib/clawdlets/backups/state.json: No such file or directory"],
    ["a bot that is not in it", answer({}).replace('"maren"', '"rex"')],
    ["what is not a time", answer({ good: "yesterday" })],
    ["half a file", answer({}).slice(0, 40)],
  ])("takes %s for no backup", (_, text) => {
    const ages = backupAges(settings, ["maren"], parseBackups(text), now);
    expect(ages).toEqual([{ bot: "maren", stale: true }]);
    expect(staleBackups("web-1", ages, 36)).toEqual([
      {
        code: "backup-stale",
        subject: "web-1",
        problem: "maren: no backup yet; allowed: up to 36 h.",
        fix: "Back up now: clawdlets backup now --host web-1",
      },
    ]);
  });

  it("says why the last try failed, and escapes what a host says", () => {
    const state = parseBackups(
      answer({ good: "2026-11-27T11:00:00Z", snapshot: "ab\u001b[2J", problem: "full", why: "no\u0007 space" }),
    );
    const [age] = backupAges(settings, ["maren"], state, now);
    const line = age ? backupLine(age) : "";
    expect(line).toContain("last good backup 1 h ago (2026-11-27T11:00:00Z, ");
    expect(line).toContain("; the last try failed: full: ");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there.
    expect(line).not.toMatch(/[\u0000-\u001f]/);
  });

  it("asks for no backup of a bot that is skipped", () => {
    expect(backupAges({ ...settings, skip: ["maren"] }, ["maren"], undefined, now)).toEqual([]);
  });
});
