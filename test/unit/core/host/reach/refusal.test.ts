import { describe, expect, it } from "vitest";
import { readRefusal } from "../../../../../core/host/reach/refusal.ts";

describe("the reason", () => {
  it.each([
    [
      "what our command says",
      "clawdlets-activate: refused, nothing changed: the release is too low\n",
      "the release is too low",
    ],
    ["what another one says", "clawdlets-receive-secrets: the password differs", "the password differs"],
    ["its last line", "Warning: a greeting\nclawdlets-activate: refused, nothing changed: no\n", "no"],
    ["what sudo says", "sudo: a password is required", "sudo: a password is required"],
    ["the exit code of a silent one", " \n", "exit code 4"],
    ["its control characters, spelled out", "clawdlets-activate: \u001b[2Jgone", "\\u001b[2Jgone"],
  ])("is %s", (_what, stderr, said) => {
    expect(readRefusal(stderr, 4).said).toBe(said);
  });
});

describe("the code", () => {
  it.each([
    [
      "the line before the reason",
      "a greeting\nclawdlets-activate: code old-release\nclawdlets-activate: no\n",
      "old-release",
    ],
    ["not there from a system without codes", "clawdlets-activate: refused, nothing changed: no\n", undefined],
    ["not there from sudo", "sudo: a password is required\n", undefined],
    ["not what a reason quotes", "clawdlets-activate: no: clawdlets-activate: code busy\n", undefined],
    ["not one that is not spelled like one", "clawdlets-activate: code a b\nclawdlets-activate: no\n", undefined],
  ])("is %s", (_what, stderr, code) => {
    expect(readRefusal(stderr, 1).code).toBe(code);
  });
});

describe("a command is missing", () => {
  it.each([
    "sudo: a password is required",
    "sudo: /run/current-system/sw/bin/clawdlets-activate: command not found",
    "a greeting\nSorry, user admin is not allowed to execute '/run/current-system/sw/bin/clawdlets-activate' as root on web-1.",
  ])("if sudo says %j", (stderr) => {
    expect(readRefusal(stderr, 1).isMissing).toBe(true);
  });

  it.each(["clawdlets-activate: refused, nothing changed: release 3 is not allowed", "", "an unknown word"])(
    "not if it says %j",
    (stderr) => {
      expect(readRefusal(stderr, 1).isMissing).toBe(false);
    },
  );
});
