/** Set-up of every project, run again for each test file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, afterEach, beforeAll } from "vitest";
import { processorSeconds } from "./_processor-time.ts";
import { removeTemporaryFolders } from "./_project.ts";
import { repository } from "./_repository.ts";
import { isInOrder, keepOrder } from "./order/in-order.ts";

// Registered first, so it runs last: what other hooks do counts as well.
// biome-ignore lint/correctness/noEmptyPattern: vitest insists on a destructured first parameter
afterAll(({}, file) => {
  const seconds = processorSeconds();
  if (seconds !== undefined) file.meta.processorSeconds = seconds;
});

// biome-ignore lint/correctness/noEmptyPattern: vitest insists on a destructured first parameter
beforeAll(({}, file) => {
  if (isInOrder(relative(repository, file.file.filepath))) keepOrder(file);
});

/** What a test file has to leave as it was: the files of the project `unit` share a process. */
function processState(): Record<string, string | undefined> {
  return { ...process.env, "the working folder": process.cwd() };
}

let before: Record<string, string | undefined>;
afterAll(() => {
  const after = processState();
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changed = [...names].filter((name) => before[name] !== after[name]);
  for (const name of changed) {
    if (name === "the working folder") process.chdir(before[name] ?? "/");
    else if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  // The names alone: a value may be a secret.
  if (changed.length > 0) throw new Error(`This test file left these changed: ${changed.join(", ")}. Restore them.`);
});

// Copies of the keys of projects that tests make. Not in the home folder of the person who runs them.
const copies = mkdtempSync(join(tmpdir(), "clawdlets-copies-"));
process.env["XDG_STATE_HOME"] = copies;
afterAll(() => rmSync(copies, { recursive: true, force: true }));
afterEach(removeTemporaryFolders);
before = processState();
