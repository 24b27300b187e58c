import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { listLines } from "../../../../cli/screen/list.ts";
import { Rows } from "../../../../cli/screen/rows.ts";
import { durationText, isLive, widthOf, wrapped } from "../../../../cli/screen/terminal.ts";

const colours = pc.createColors(false);
const look = { columns: 60, rows: 20, now: 0, colours };
const installing = (): Rows => {
  const rows = new Rows();
  rows.apply({ id: "server", state: "running", title: "creating Server web-1" }, 0);
  rows.apply({ id: "server", state: "done", title: "created Server web-1" }, 12_300);
  rows.apply({ id: "install", state: "running", title: "installing NixOS" }, 12_300);
  rows.apply(
    { id: "install/open", parent: "install", state: "running", title: "open", detail: "opening TCP/22" },
    13_000,
  );
  rows.apply(
    {
      id: "install/connect",
      parent: "install",
      state: "running",
      title: "connect",
      detail: "waiting for ssh",
      limitSeconds: 300,
    },
    14_000,
  );
  return rows;
};
const linesAt = (
  rows: Rows,
  now: number,
  more: Partial<typeof look> = {},
  state: "running" | "done" | "failed" = "running",
) => listLines({ title: "web-1: up", state, startedAt: 0, rows: rows.shown() }, { ...look, now, ...more });

describe("the list", () => {
  it("shows what each step waits for, how long it has and how long it may", () => {
    expect(linesAt(installing(), 90_000)).toEqual([
      "⠋ web-1: up                                       1 min 30 s",
      "  ✓ created Server web-1                                12 s",
      "  ⠋ installing NixOS                              1 min 17 s",
      "    ✓ open     opening TCP/22                          1.0 s",
      "    ⠋ connect  waiting for ssh           1 min 16 s of 5 min",
    ]);
  });

  it("drops the parts of what is done, and keeps those of what failed", () => {
    const rows = installing();
    rows.apply({ id: "install", state: "failed" }, 20_000);
    rows.end("failed", 20_000);
    expect(linesAt(rows, 20_000, {}, "failed").map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
      "✗ web-1: up",
      "✓ created Server web-1",
      "✗ installing NixOS",
      "✓ open",
      "✗ connect",
    ]);
    rows.apply({ id: "install", state: "done", title: "installed NixOS" }, 21_000);
    expect(linesAt(rows, 21_000, {}, "done")).toHaveLength(3);
  });

  it("begins again a step that runs a second time", () => {
    const rows = installing();
    rows.apply({ id: "install/open", parent: "install", state: "running", title: "open", detail: "again" }, 100_000);
    expect(linesAt(rows, 102_500).at(-1)).toContain("⠋ open     again  ");
    expect(linesAt(rows, 102_500).at(-1)).toMatch(/ 2 s$/);
    expect(linesAt(rows, 102_500).at(-2)).toContain("✓ connect");
  });

  it("warns by its colour before a limit ends the run", () => {
    const colour = { ...colours, yellow: (text: unknown) => `late(${text})` };
    const last = (now: number) => linesAt(installing(), now, { colours: colour }).at(-1);
    expect(last(14_000 + 225_000)).not.toContain("late");
    expect(last(14_000 + 226_000)).toMatch(/late\(3 min 46 s of 5 min\)$/);
  });

  it.each([20, 21, 30, 40, 77, 100, 250])("never exceeds %i columns, whatever the rows", (columns) => {
    const rows = installing();
    rows.apply({ id: "x", state: "running", title: "中文".repeat(99), detail: "a\tb\u001b[2J\nsecond" }, 0);
    const widths = linesAt(rows, 90_000, { columns }).map(widthOf);
    expect(Math.max(...widths)).toBeLessThanOrEqual(columns);
    expect(linesAt(rows, 90_000, { columns }).join("\n")).not.toContain("\u001b");
  });

  it("never exceeds the height: what runs and what failed stays", () => {
    const rows = new Rows();
    for (let index = 0; index < 30; index++) {
      rows.apply({ id: `${index}`, state: "running", title: `row ${index}` }, 0);
      if (index < 25) rows.apply({ id: `${index}`, state: index === 3 ? "failed" : "done" }, 0);
    }
    const lines = linesAt(rows, 0, { rows: 12 });
    expect(lines).toHaveLength(10);
    expect(lines.join("\n")).toMatch(/… 22 done before\n.*✗ row 3 [\s\S]*⠋ row 29/);
    expect(linesAt(rows, 0, { rows: 6 })).toHaveLength(4);
  });
});

it.each([
  [0, "0.0 s"],
  [9.99, "9.9 s"],
  [10, "10 s"],
  [59.9, "59 s"],
  [60, "1 min 00 s"],
  [3599, "59 min 59 s"],
  [3600, "1 h 00 min"],
])("%f seconds are %s", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

it.each([
  ["one two three", 7, ["one two", "three"]],
  ["https://example.org/long", 10, ["https://ex", "ample.org/", "long"]],
  ["  indented text", 10, ["  indented", "text"]],
  ["a\n\nb", 10, ["a", "", "b"]],
  ["中文中文", 5, ["中文", "中文"]],
])("wraps %j to %i columns", (text, columns, lines) => {
  expect(wrapped(text, columns)).toEqual(lines);
});

it.each([
  [{ isTTY: true }, {}, false, true],
  [{ isTTY: false }, {}, false, false],
  [{}, { FORCE_COLOR: "1" }, false, false],
  [{ isTTY: true }, {}, true, false],
  [{ isTTY: true }, { CI: "true" }, false, false],
  [{ isTTY: true }, { CI: "false" }, false, true],
  [{ isTTY: true }, { NO_COLOR: "1" }, false, false],
  [{ isTTY: true }, { NO_COLOR: "" }, false, true],
  [{ isTTY: true }, { TERM: "dumb" }, false, false],
])("%j with %j, --plain %j: a list is shown: %j", (stream, environment, plain, live) => {
  expect(isLive(stream, environment, plain)).toBe(live);
});
