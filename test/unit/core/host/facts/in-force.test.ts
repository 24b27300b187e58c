import { expect, it } from "vitest";
import { readInForce } from "../../../../../core/host/facts/in-force/read.ts";

const rebuild = "Rebuild it with the system that belongs to this version: clawdlets rebuild --host web-1";
const coded = (code: string, ...lines: string[]) =>
  [`clawdlets-audit: code ${code}`, ...lines.map((line) => `clawdlets-audit: ${line}`)].join("\n");

it.each([
  ["has no such command", 1, "", "sudo: a password is required", "sudo: a password is required", rebuild],
  [
    "takes another order",
    2,
    "",
    coded("unknown-order", "refused, nothing changed: it takes no arguments"),
    "it takes no arguments",
    rebuild,
  ],
  ["gives another answer", 0, "{}", "", "its answer is malformed", rebuild],
  [
    "has a full disk",
    1,
    "",
    `tmp: No space left on device\n${coded("failed", "it failed with exit status 1")}`,
    "No space left on device (it failed with exit status 1)",
    undefined,
  ],
  ["cannot be reached", 255, "", "Connection reset", "lost contact: Connection reset", undefined],
])("says what to do if a host %s", async (_what, exitCode, stdout, stderr, said, fix) => {
  const error = await readInForce("web-1", async () => ({ exitCode, stdout, stderr })).catch((thrown) => thrown);
  expect(error.problems[0]).toMatchObject({ subject: "web-1", problem: expect.stringContaining(said) });
  expect(error.problems[0].fix).toBe(fix);
});
