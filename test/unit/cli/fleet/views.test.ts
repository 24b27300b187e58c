import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { plainView } from "../../../../cli/fleet/plain.ts";
import { summaryLines } from "../../../../cli/fleet/summary.ts";
import { tableText } from "../../../../cli/fleet/table.ts";
import type { Outcome } from "../../../../core/tasks/fleet/run.ts";

const outcome = (host: string, more: Partial<Outcome<unknown>> = {}): Outcome<unknown> => ({
  host,
  state: "ok",
  exitCode: 0,
  seconds: 31.9,
  summary: "done: 12 created",
  details: [],
  ...more,
});

const reasons = ["server limit exceeded (resource_limit_exceeded)"];
const failed = outcome("web-12", { state: "failed", exitCode: 1, seconds: 4, summary: "up failed", details: reasons });
const left = outcome("web-3", { state: "not started", summary: "web-12 failed before (--fail-fast)" });

it("plain lines have the time, the host in a column, and no control characters of a remote text", () => {
  let now = 0;
  const lines: string[] = [];
  const view = plainView(
    ["web-1", "web-12", "web-3"],
    (text) => void lines.push(text),
    () => now,
  );
  view.started("web-1");
  now = 7.44;
  view.told("web-1", "web-1: waiting 12 s for Hetzner's request limit (3600 an hour for the whole project)");
  view.told("web-12", "creating Server web-12-server\u001b[2J\nsecond line");
  now = 100;
  view.note("stopping: no more hosts are started; running ones finish cleanly");
  view.ended(failed);
  view.ended(left);
  view.ended(outcome("web-1"));
  expect(lines.join("")).toBe(
    [
      "    0.0s  web-1   begun",
      "    7.4s  web-1   waiting 12 s for Hetzner's request limit (3600 an hour for the whole project)",
      "    7.4s  web-12  creating Server web-12-server�[2J",
      "    7.4s  web-12  second line",
      "  100.0s          stopping: no more hosts are started; running ones finish cleanly",
      "  100.0s  web-12  FAILED after 4.0 s: up failed",
      "  100.0s  web-1   ok after 31.9 s: done: 12 created",
      "",
    ].join("\n"),
  );
});

it("the summary has failures first with their reasons, and the command for the rest", () => {
  const stopped = outcome("web-4", { state: "stopped", exitCode: 130, summary: "up failed", details: ["cancelled"] });
  const lines = summaryLines("up", [outcome("web-1"), outcome("web-2"), left, stopped, failed], 61.25, 5);
  expect(lines).toEqual([
    "FAILED   web-12  up failed",
    "         server limit exceeded (resource_limit_exceeded)",
    "STOPPED  web-4   up failed",
    "         cancelled",
    "left     web-3: web-12 failed before (--fail-fast)",
    "ok       web-1, web-2: done: 12 created",
    "up: 1 failed, 1 stopped, 1 not started, 2 ok, 5 succeeded before and were skipped; 61.3 s",
    "Fix it, then continue: clawdlets up --resume",
  ]);
});

it("the summary of a run that was only stopped asks for no fix", () => {
  const stopped = outcome("web-4", { state: "stopped", exitCode: 130, summary: "Stopped by Ctrl-C" });
  const waiting = outcome("web-5", { state: "not started", summary: "the run was stopped" });
  expect(summaryLines("up", [outcome("web-1"), stopped, waiting], 61.25, 0).slice(-2)).toEqual([
    "up: 1 stopped, 1 not started, 1 ok; 61.3 s",
    "To continue: clawdlets up --resume",
  ]);
});

it("the summary of a hundred hosts that went well is two lines", () => {
  const outcomes = Array.from({ length: 100 }, (_, index) => outcome(`web-${index}`));
  expect(summaryLines("up", outcomes, 900, 0)).toEqual([
    "ok       web-0, web-1, web-2, web-3, web-4, web-5, web-6, web-7 and 92 more: done: 12 created",
    "up: 100 ok; 900.0 s",
  ]);
});

describe("the table", () => {
  const row = (host: string, state: Parameters<typeof tableText>[0][number]["state"], phase = "") => ({
    host,
    state,
    phase,
    startedAt: undefined,
    seconds: 3,
  });
  const rows = [
    row("web-1", "ok", "done"),
    row("web-2", "running", "[kexec] Done!"),
    row("web-3", "failed", "up failed"),
  ];
  const plain = (...args: Parameters<typeof tableText>) => tableText(...args).map(stripVTControlCharacters);

  it("has failures first, then what goes on", () => {
    expect(plain(rows, ["stopping"], { columns: 60, rows: 20 }, 12.3)).toEqual([
      "  12.3 s  3 hosts: 1 failed, 1 running, 1 ok",
      "   3.0 s  ✗ web-3  FAILED   up failed",
      "          ● web-2  running  [kexec] Done!",
      "   3.0 s  ✓ web-1  ok       done",
      "            stopping",
    ]);
  });

  it("never grows past the screen, in either direction", () => {
    const many = [...rows, ...Array.from({ length: 97 }, (_, index) => row(`web-${index + 4}`, "waiting"))];
    const lines = plain(many, [], { columns: 30, rows: 10 }, 0);
    expect(lines).toHaveLength(8);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30);
    expect(lines.at(-1)).toBe("            and 94 more");
    expect(lines[1]).toContain("web-3");
  });
});
