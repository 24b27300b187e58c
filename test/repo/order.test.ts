import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { randomOrder, seedOf } from "../../scripts/test-order.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";
import { inOrder, isInOrder, notYetRun } from "../order/in-order.ts";
import { compare, durationsFile } from "../order/longest-first.ts";

describe("the files whose tests run in order", () => {
  it("are those that were agreed on, and each is there", () => {
    // Lower these when a file leaves a list. A new test file runs in any order.
    expect(Object.keys(inOrder).length).toBeLessThanOrEqual(3);
    expect(notYetRun.length).toBeLessThanOrEqual(57);
    const listed = [...Object.keys(inOrder), ...notYetRun];
    expect(listed.filter((path) => !existsSync(join(repository, path)))).toEqual([]);
    for (const reason of Object.values(inOrder)) expect(reason.length).toBeGreaterThan(20);
  });

  it("are found by their path, or that of their folder", () => {
    expect(isInOrder("test/engine/adopt-tofu.test.ts")).toBe(true);
    expect(isInOrder("test/engine/adopt-tofu.test.ts.test.ts")).toBe(false);
    expect(isInOrder("test/engine/life-of-a-host.test.ts")).toBe(false);
  });

  it("do so where all others run in random order", async () => {
    const orderOf = async (keep: string) => {
      const file = join(temporaryFolder(), "order");
      const env = { KEEP: keep, ORDER_FILE: file };
      const root = join(repository, "test/fixtures/order");
      const args = ["run", "--root", root, ...randomOrder([], {}, 7)];
      const { exitCode, all } = await execa("vitest", args, { preferLocal: true, env, all: true, reject: false });
      expect(exitCode, all).toBe(0);
      expect(all).toContain('Running tests with seed "7"');
      return readFileSync(file, "utf8");
    };
    expect(await orderOf("yes")).toBe("abcdef123456");
    const mixed = await orderOf("");
    expect(mixed).not.toBe("abcdef123456");
    expect([...mixed].sort().join("")).toBe("123456abcdef");
  }, 60_000);
});

describe("the files", () => {
  const isolated = (file: string) => ({ file, isolated: true });

  it("that share a process come first, then the longest, whatever their project", () => {
    const shared = { file: "test/unit/core/base/limits.test.ts", isolated: false };
    const slow = isolated("test/core/project/secrets/killed.test.ts");
    const unknown = isolated("test/engine/just-written.test.ts");
    const quick = isolated("test/docs/links.test.ts");
    for (const given of [
      [quick, slow, shared, unknown],
      [unknown, shared, quick, slow],
    ])
      expect(given.sort(compare)).toEqual([shared, slow, unknown, quick]);
  });

  it("whose duration is recorded are there", () => {
    const recorded = Object.keys(JSON.parse(readFileSync(durationsFile, "utf8")));
    expect(recorded.filter((path) => !existsSync(join(repository, path)))).toEqual([]);
    expect(recorded.length).toBeGreaterThan(200);
  });
});

describe("npm test", () => {
  const shuffled = ["--sequence.shuffle.tests", "--sequence.seed=7"];
  it.each<[string, string[], NodeJS.ProcessEnv, string[]]>([
    ["everything", [], {}, shuffled],
    ["the quick check", ["--quick"], {}, shuffled],
    ["one project in CI", ["--project", "host"], { CI: "true" }, shuffled],
    ["some tests", ["test/docs"], {}, []],
    ["a seed that failed before", ["--sequence.shuffle.tests", "--sequence.seed=3"], { CI: "true" }, []],
  ])("%s: the order", (_, args, environment, expected) => {
    expect(randomOrder(args, environment, 7)).toEqual(expected);
  });

  it("in CI: the recorded seed, which the timings of a run hold", () => {
    const { seed } = JSON.parse(readFileSync(join(repository, "test/order/seed.json"), "utf8"));
    expect(seed).toBeGreaterThan(0);
    expect(seedOf({ CI: "true" })).toBe(seed);
  });
});
