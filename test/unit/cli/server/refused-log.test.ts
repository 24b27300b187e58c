import { expect, it } from "vitest";
import { refusedLog } from "../../../../cli/server/_log.ts";
import { readRefusal } from "../../../../core/host/reach/refusal.ts";

const refused = (code: string, text: string) =>
  `clawdlets-logs: code ${code}\nclawdlets-logs: refused, nothing changed: ${text}`;
const isOlder = "The host's system is older than this command: clawdlets rebuild --host web-1";
const times = "Allowed: what systemd.time(7) has, e.g. 2h, yesterday or '2026-11-27 10:00'.";

it.each([
  ["a request that the host does not know", refused("unknown-order", "an unknown key"), true, 1, isOlder],
  ["no such command on the host", "sudo: a password is required", true, 1, isOlder],
  ["journalctl, which sudo does not allow", "sudo: a password is required", false, 1, undefined],
  ["a time that journalctl does not know", refused("bad-time", "not a time: soon"), true, 2, times],
  ["such a time on a host without codes", "Failed to parse timestamp: soon", true, 2, times],
  ["such a time quoted in another reason", refused("failed", "Failed to parse timestamp: soon"), true, 1, undefined],
  ["a value that the host refuses", refused("bad-value", "the value of unit is malformed"), true, 1, undefined],
])("says what to do about %s", (_what, stderr, isOurs, exitCode, fix) => {
  const error = refusedLog("web-1", "sshd.service", readRefusal(stderr, 1), isOurs);
  expect(error.exitCode).toBe(exitCode);
  expect(error.problems).toHaveLength(1);
  expect(error.problems[0]?.subject).toBe("web-1");
  expect(error.problems[0]?.fix).toBe(fix);
  expect(error.problems[0]?.problem).toMatch(/^sshd\.service: /);
});
