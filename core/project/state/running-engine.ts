import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { readFolder } from "../../base/machine/private-files.ts";
import type { Layout } from "../layout.ts";

/**
 * For work on files that an engine on this machine may be using: a checkpoint that is copied while it is written could not be read
 * again, and an installation delivers keys as they are at that moment.
 * @throws UserError (busy) while an engine has a lock in `.clawdlets/state`
 */
export function refuseRunningEngine(layout: Layout): void {
  const locks = join(layout.state, ".pulumi", "locks");
  const isLocked = (folder: string): boolean =>
    readFolder(folder).some((name) => name.endsWith(".json") || isLocked(join(folder, name)));
  if (!isLocked(locks)) return;
  throw new UserError(
    {
      code: "busy",
      subject: "the state",
      problem: "an engine is using it, or was killed while it did.",
      fix: "Wait for it to end, or clear it: clawdlets up",
    },
    { exitCode: exitCodes.busy },
  );
}
