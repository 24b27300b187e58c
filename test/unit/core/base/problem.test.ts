import { describe, expect, it } from "vitest";
import { exitCodes } from "../../../../core/base/exit-codes.ts";
import {
  codeOfExit,
  type Problem,
  problemJson,
  problemLine,
  problemMarkdown,
  problemSentence,
} from "../../../../core/base/problem.ts";

const whole: Problem = {
  code: "invalid-value",
  subject: "stacks/Pulumi.web-1.yaml",
  setting: "clawdlets:serverType",
  at: { file: "stacks/Pulumi.web-1.yaml", line: 3 },
  problem: 'is "cx99"; allowed: cx43.',
  fix: "Write one of those.",
};
const { setting: _, at: __, fix: ___, ...bare } = whole;

describe("one place makes words of a problem", () => {
  it("a line of a terminal", () => {
    expect(problemLine(whole)).toBe(
      'stacks/Pulumi.web-1.yaml: clawdlets:serverType: is "cx99"; allowed: cx43. Write one of those.',
    );
    expect(problemLine(bare)).toBe('stacks/Pulumi.web-1.yaml: is "cx99"; allowed: cx43.');
    expect(problemLine({ ...bare, subject: "" })).toBe('is "cx99"; allowed: cx43.');
    expect(problemSentence(whole)).toBe('is "cx99"; allowed: cx43. Write one of those.');
  });

  it("Markdown, in which its text is never markup", () => {
    expect(problemMarkdown(whole)).toBe(
      '- stacks/Pulumi.web-1.yaml:3: clawdlets:serverType: is "cx99"; allowed: cx43. Write one of those.',
    );
    expect(problemMarkdown({ subject: "f", problem: "is [a](https://b) @c | <d>." })).toBe(
      "- f: is \\[a\\]\\(https:\u200b//b\\) @\u200bc \\| \\<d\\>.",
    );
  });

  it("JSON with these keys and no others", () => {
    const more = { ...whole, isForeign: true };
    expect(Object.keys(problemJson(more))).toEqual(["code", "subject", "setting", "at", "problem", "fix"]);
    expect(Object.keys(problemJson(bare))).toEqual(["code", "subject", "problem"]);
  });
});

it.each([
  [exitCodes.failed, "failed"],
  [exitCodes.usage, "usage"],
  [exitCodes.settings, "settings"],
  [exitCodes.open, "open"],
  [exitCodes.unknown, "unknown"],
] as const)("exit code %i stands for the code %s", (exitCode, code) => expect(codeOfExit(exitCode)).toBe(code));
