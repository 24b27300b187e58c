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

  /** Of the channels and providers that OpenClaw has. Put together here: git's own scan knows most of them by gitleaks' rules. */
  const letters = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF".repeat(6);
  const cut = (length: number) => letters.slice(0, length);
  const hex = "0f1e2d3c".repeat(4);
  test.each([
    ["a Slack token", ["xoxb", "1234567890", cut(24)], "-"],
    ["a Slack token", ["xapp", "1", "A0123456789", cut(30)], "-"],
    ["a Slack token", ["xoxe.xoxp", "1", cut(40)], "-"],
    ["a Slack webhook", ["https://hooks.slack.com/services", "T01234567", "B01234567", cut(24)], "/"],
    ["a Discord webhook", ["https://discord.com/api/webhooks", "1234567890".repeat(2).slice(0, 18), cut(68)], "/"],
    ["a Telegram token", ["123456789", cut(35)], ":"],
    ["a Zalo token", ["1234567890123456789", cut(64)], ":"],
    ["a Matrix token", ["syt", "bWFyZW4", cut(20), "1aB2cD"], "_"],
    ["a Matrix token", ["mct", cut(34)], "_"],
    ["a Twilio key", ["SK", hex], ""],
    ["a Twitch token", ["oauth", "ab12".repeat(8).slice(0, 30)], ":"],
    ["a Nostr key", ["nsec1", "qpzry9x8gf2tvdw0".repeat(4).slice(0, 58)], ""],
    ["a Microsoft client secret", ["abc8Q", cut(34)], "~"],
    ["a Google key", ["AIza", cut(35)], ""],
    ["a JSON web token", ["eyJ", `${cut(20)}.eyJ`, `${cut(40)}.${cut(43)}`], ""],
    ["a private key", ["-----BEGIN", "PRIVATE KEY-----"], " "],
    ["a GitLab token", ["glpat", cut(20)], "-"],
    ["text that looks random", [cut(172).slice(0, -1), "="], ""], // LINE
    ["a model provider's key", ["xai", cut(80)], "-"],
    ["a model provider's key", ["gsk", cut(52)], "_"],
    ["a model provider's key", [hex, cut(16)], "."], // Z.ai
    ["a model provider's key", ["sk", "ant", "api03", cut(80)], "-"],
    ["a model provider's key", ["sk", hex.repeat(2)], "_"], // ElevenLabs
  ])("knows %s by %#", (kind, parts, joint) => {
    expect(secretKindsIn(`token: "${parts.join(joint)}"`)).toContain(kind);
  });

  test.each([
    ["an id of Slack", "C0123456789"],
    ["an id of Discord", "1234567890".repeat(2).slice(0, 18)],
    ["an address at Slack", "https://hooks.slack.com/services"],
    ["a time", "2026-11-27T07:00:00.000Z"],
    ["an image by its digest", `ghcr.io/x/y@sha256:${hex.repeat(2)}`],
    ["a version", "1.2.3-alpha.20261127.abcdef0"],
  ])("takes %s for none", (_, text) => {
    expect(secretKindsIn(`x: "${text}"`)).toEqual([]);
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
