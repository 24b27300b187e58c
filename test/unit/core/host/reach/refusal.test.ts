import { expect, it } from "vitest";
import { refusalOf } from "../../../../../core/host/reach/refusal.ts";

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
  expect(refusalOf(stderr, 4)).toBe(said);
});
