/** Set-up of every project, run again for each test file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach } from "vitest";
import { processorSeconds } from "./_processor-time.ts";
import { removeTemporaryFolders } from "./_project.ts";

// Registered first, so it runs last: what other hooks do counts as well.
// biome-ignore lint/correctness/noEmptyPattern: vitest insists on a destructured first parameter
afterAll(({}, file) => {
  const seconds = processorSeconds();
  if (seconds !== undefined) file.meta.processorSeconds = seconds;
});

// Copies of the keys of projects that tests make. Not in the home folder of the person who runs them.
const copies = mkdtempSync(join(tmpdir(), "clawdlets-copies-"));
process.env["XDG_STATE_HOME"] = copies;
afterAll(() => rmSync(copies, { recursive: true, force: true }));
afterEach(removeTemporaryFolders);
