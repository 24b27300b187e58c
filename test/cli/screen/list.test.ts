import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { type OnScreen, onScreen } from "./_pty.ts";

const replay = (scenario: string) => `node --import ./bin/typescript.mjs test/cli/screen/_replay.ts ${scenario}`;
const onTerminal = (scenario: string, columns: number, more: object = {}) =>
  onScreen(replay(scenario), { columns, cwd: repository, ...more });

/** Times differ from run to run. */
const steady = ({ lines }: OnScreen) => lines.map((line) => line.replace(/ \d\.\d s/g, " 0.0 s")).join("\n");
const escapeCharacter = "\u001b";

describeWith({ programs: ["script", "stty"] }, "the list on a real terminal", () => {
  it.each([40, 80, 200])("fits into %i columns, and its last frame stays", async (columns) => {
    const seen = await onTerminal("done", columns);
    expect(seen.broken).toEqual([]);
    expect(seen.isCursorHidden).toBe(false);
    await expect(`${steady(seen)}\n`).toMatchFileSnapshot(`golden/done-${columns}.txt`);
  });

  it("shows which step failed, with its parts and the error above", async () => {
    const seen = await onTerminal("failed", 80);
    expect([seen.exitCode, seen.broken]).toEqual([1, []]);
    await expect(`${steady(seen)}\n`).toMatchFileSnapshot("golden/failed-80.txt");
  });

  it("on a low screen keeps what runs or failed, and counts the rest", async () => {
    const seen = await onTerminal("failed", 80, { rows: 7 });
    expect(seen.lines.filter((line) => line.includes("web-1: up"))).toHaveLength(1);
    expect(steady(seen)).toContain("✗ connect");
    expect(steady(seen)).toMatch(/… \d done before/);
  });

  it("Ctrl-C leaves the last frame, a message and a visible cursor", async () => {
    let isTyped = false;
    const type = (raw: string) => {
      if (isTyped || !/waiting for Ctrl-C[\s\S]*of 5 min/.test(raw)) return undefined;
      isTyped = true;
      return "\u0003";
    };
    const seen = await onTerminal("waits", 80, { type });
    expect([seen.exitCode, seen.isCursorHidden]).toEqual([1, false]);
    expect(seen.lines).toContain("stopping: closing the open window first");
    expect(steady(seen)).toMatch(/✗ web-1: up .*\n(.*\n)*.*✗ connect/);
  });

  it.each([
    ["--plain", replay("done --plain"), {}],
    ["NO_COLOR", replay("done"), { NO_COLOR: "1" }],
    ["CI", replay("done"), { CI: "true" }],
    ["TERM=dumb", replay("done"), { TERM: "dumb" }],
  ])("%s makes it lines, without escape codes", async (_, command, env) => {
    const { raw } = await onScreen(command, { columns: 80, cwd: repository, env });
    expect(raw).not.toContain(escapeCharacter);
    expect(raw).toContain("s  [connect] waiting for ssh with the pinned key");
  });
});

describe("piped progress", () => {
  it.each([{}, { FORCE_COLOR: "1" }])("is lines without escape codes, on standard error (%j)", async (env) => {
    const [program = "", ...args] = replay("done").split(" ");
    const { stderr, stdout } = await execa(program, args, { cwd: join(repository), env });
    expect(stdout).toBe("");
    expect(stderr).not.toContain(escapeCharacter);
    const lines = `${stderr.replace(/^ *\d+\.\ds/gm, "    0.0s")}\n`;
    await expect(lines).toMatchFileSnapshot("golden/piped.txt");
  });
});
