import { join } from "node:path";
import { withFileLock } from "../base/machine/file-lock.ts";
import { readFolder, sweepLeftovers } from "../base/machine/private-files.ts";
import { keepCopy } from "./copies/keep.ts";
import type { Layout } from "./layout.ts";

/**
 * Runs `work` while holding the project's write lock on keys, secrets and settings: two terminals wait for each other.
 * Temporary files of killed processes are deleted first. Irreplaceable files are copied out of the work tree before and after:
 * files that `work` deletes were deleted on purpose, files that were already missing were not.
 * @throws UserError (busy) if another process still holds the lock after a minute
 */
export async function asOnlyWriter<T>(layout: Layout, work: () => Promise<T>): Promise<T> {
  return withFileLock(
    join(layout.dir, "init"),
    async () => {
      for (const folder of writtenFolders(layout)) await sweepLeftovers(folder);
      const before = keepCopy(layout);
      try {
        return await work();
      } finally {
        keepCopy(layout, before);
      }
    },
    "It is changing keys or secrets of this project. Wait for it to finish, then run the same command again.",
  );
}

function writtenFolders(layout: Layout): string[] {
  const perHost = join(layout.secrets, "hosts");
  const hosts = join(layout.dir, "hosts");
  return [
    layout.dir,
    layout.secrets,
    layout.operators,
    layout.systemKeys,
    perHost,
    layout.stacks,
    ...readFolder(perHost).map((name) => join(perHost, name)),
    ...readFolder(hosts).map((name) => join(hosts, name, "ssh")),
  ];
}
