import { describe, expect, test } from "vitest";
import { entropyOf, secretKindsIn } from "../../../../../core/project/secrets/token-shapes.ts";
import { harmless, planted } from "../../../../core/tasks/repo/_planted.ts";

describe("what a secret looks like", () => {
  test.each(planted.filter(({ kind }) => kind !== undefined))("knows $name", ({ text, kind }) => {
    expect(secretKindsIn(text)).toContain(kind);
  });

  test.each(harmless.filter(({ inGit }) => !inGit))("takes $name for none", ({ text }) => {
    expect(secretKindsIn(text)).toEqual([]);
  });

  test("knows a planted canary, and text that looks random only above the given entropy", () => {
    expect(secretKindsIn("x my-canary y", { canaries: ["my-canary"] })).toEqual(["a planted canary"]);
    expect(secretKindsIn("x y", { canaries: [""] })).toEqual([]);
    const random = "q7Zx2Lk9Vb4Nw8Rt1Yc6Pf3Hd5Sg0JmA";
    expect(secretKindsIn(random)).toEqual(["text that looks random"]);
    expect(secretKindsIn(random, { minEntropy: 8 })).toEqual([]);
    expect(secretKindsIn("The-Quick-Brown-Fox-Jumps-Over-The-Lazy-Dog-1")).toEqual([]);
  });

  test.each([
    ["", 0],
    ["aaaa", 0],
    ["abab", 1],
    ["abcd", 2],
  ])("the entropy of %j is %d bits a character", (text, bits) => expect(entropyOf(text)).toBeCloseTo(bits));
});
