import { join } from "node:path";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { withFileLock } from "./file-lock.ts";
import type { Layout } from "./layout.ts";
import { readFolder, sweepLeftovers } from "./private-files.ts";

/**
 * Runs `work` as the only one who changes keys, secrets and settings of this project: two terminals wait for each other.
 * What a killed one left half-written is swept first.
 * @throws UserError (busy) when another one still works after a minute
 */
export async function asOnlyWriter<T>(layout: Layout, work: () => Promise<T>): Promise<T> {
  try {
    return await withFileLock(join(layout.dir, "init"), async () => {
      for (const folder of writtenFolders(layout)) await sweepLeftovers(folder);
      return work();
    });
  } catch (error) {
    if (!hasCode(error, "ELOCKED")) throw error;
    throw new UserError(
      `Another clawdlets on this machine is changing keys or secrets of this project (${join(layout.dir, "init.lock")}). Wait for it to end, then run this again.`,
      { exitCode: exitCodes.busy, cause: error },
    );
  }
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
