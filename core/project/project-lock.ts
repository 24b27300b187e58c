import { join } from "node:path";
import { withFileLock } from "../base/machine/file-lock.ts";
import { readFolder, sweepLeftovers } from "../base/machine/private-files.ts";
import { keepCopy } from "./copies/keep.ts";
import type { Layout } from "./layout.ts";

/**
 * Runs `work` as the only one who changes keys, secrets and settings of this project: two terminals wait for each other.
 * What a killed one left half-written is swept first. Before and after it, what cannot be made again is copied to outside of the work
 * tree: what `work` removes is meant to be gone, and what was gone before is not.
 * @throws UserError (busy) when another one still works after a minute
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
    "It changes keys or secrets of this project: wait for it to end, then run this again.",
  );
}

function writtenFolders(layout: Layout): string[] {
  const perHost = join(layout.secrets, "hosts");
  const hosts = join(layout.dir, "hosts");
  return [
    layout.dir,
    layout.secrets,
    layout.operators,
    perHost,
    layout.stacks,
    ...readFolder(perHost).map((name) => join(perHost, name)),
    ...readFolder(hosts).map((name) => join(hosts, name, "ssh")),
  ];
}
