import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";

const run = (change: string) =>
  execa("vitest", ["run", "--root", join(repository, "test/fixtures/changes")], {
    preferLocal: true,
    env: { CHANGE: change, CHANGE_TO_DELETE: "kept" },
    all: true,
    reject: false,
  });

it.each([
  ["sets a variable", "set", "CHANGED_BY_A_TEST"],
  ["deletes a variable", "deleted", "CHANGE_TO_DELETE"],
  ["changes the working folder", "folder", "the working folder"],
])(
  "a test file that %s fails, and the message names it and no value",
  async (_, change, name) => {
    const { exitCode, all } = await run(change);
    expect(all).toContain(`This test file left these changed: ${name}. Restore them.`);
    expect(all).not.toContain("canary-value");
    expect(exitCode).toBe(1);
  },
  60_000,
);

it.each(["nothing", "restored"])(
  "a test file passes that changes: %s",
  async (change) => {
    const { exitCode, all } = await run(change);
    expect(exitCode, all).toBe(0);
  },
  60_000,
);
