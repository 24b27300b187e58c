import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { allCases, caseName } from "./cases.ts";
import { victims } from "./disturbances.ts";
import { installationCases, installationName } from "./installation.ts";
import { type CaseResult, operations } from "./life.ts";
import { optionsOf } from "./options.ts";
import { type Calls, fine, isFine, ResultsFile, summaryOf } from "./results.ts";

const calls = Object.fromEntries(operations.map((each) => [each, [{ endpoint: "POST /servers", nth: 1 }]])) as Calls;

it("kills every combination of engine, plugin, install and guard, and all, and presses Ctrl-C, at each milestone", () => {
  expect(new Set(victims).size).toBe(16);
  expect(victims).toContain("engine + plugin + install + guard");
  const names = allCases(calls).create.map((each) => caseName("create", each));
  for (const milestone of ["the window opens", "formatting", "closing"]) {
    expect(names.filter((name) => name.endsWith(`: at ${milestone}`))).toHaveLength(18);
    expect(
      names.filter((name) => name.startsWith("create: Ctrl-C") && name.endsWith(`: at ${milestone}`)),
    ).toHaveLength(2);
  }
});

it("has more than 150 cases, each with a name of its own", () => {
  const cases = allCases(calls);
  const names = operations.flatMap((operation) => cases[operation].map((each) => caseName(operation, each)));
  const all = [...names, ...installationCases().map(installationName)];
  expect(all.length).toBeGreaterThan(150);
  expect(new Set(all).size).toBe(all.length);
});

it("continues from a file of results, and runs again the case whose line was cut off", () => {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-matrix-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "results.jsonl");
  const first = new ResultsFile(path);
  expect(first.calls).toBeUndefined();
  first.plan(calls);
  first.add({ name: "create: 429: POST /servers #1", result: fine });
  appendFileSync(path, '{"name":"create: 500: POST');
  const second = new ResultsFile(path);
  second.add({ name: "create: 503: POST /servers #1", result: { ...fine, leftOpen: true } });
  const third = new ResultsFile(path);
  expect(third.calls).toEqual(calls);
  expect([...third.results.keys()]).toEqual(["create: 429: POST /servers #1", "create: 503: POST /servers #1"]);
  expect(summaryOf(third.results, 7)).toMatchObject({
    cases: 2,
    left: 7,
    leftOpen: 1,
    failed: ["create: 503: POST /servers #1"],
  });
  expect(() => new ResultsFile(path, "arm")).toThrow("--results: the file is of x86, not of arm. Name another file.");
});

it.each<Partial<CaseResult>>([{ wrong: ["x"] }, { leftOpen: true }, { doubleInstalls: 1 }, { keysLost: 1 }])(
  "counts as failed: %j",
  (result) => {
    expect(isFine({ ...fine, ...result })).toBe(false);
    expect(isFine(fine)).toBe(true);
  },
);

it("takes every option, and runs all without one", () => {
  const all = {
    help: false,
    json: false,
    pattern: /(?:)/,
    every: 1,
    from: 0,
    minutes: Infinity,
    labs: 2,
    machine: "x86",
  };
  expect(optionsOf([])).toEqual(all);
  const args = "--json --only ^open --every 7 --from 9 --minutes 3 --labs 1 --machine ipv6".split(" ");
  expect(optionsOf([...args, "--results", "file"])).toEqual({
    help: false,
    json: true,
    pattern: /^open/,
    every: 7,
    from: 9,
    minutes: 3,
    labs: 1,
    machine: "ipv6",
    results: "file",
  });
});

// Each of these would run no case at all, which nothing could fail.
it.each([
  [["--every", "seven"], /--every: is "seven"\. Allowed: a whole number of at least 1/],
  [["--every", "0"], /--every/],
  [["--from", "-1"], /--from/],
  [["--minutes", "0"], /--minutes/],
  [["--labs", "0"], /--labs/],
  [["--machine", "ARM"], /--machine: is "ARM"\. Allowed: x86, arm, ipv6/],
  [["--only", "("], /regular expression/i],
  [["--nope"], /--nope/],
])("refuses %j", (args, reason) => {
  expect(optionsOf(args)).toEqual({ wrong: expect.stringMatching(reason) });
});
