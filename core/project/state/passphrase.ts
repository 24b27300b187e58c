import { relative } from "node:path";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import type { Layout } from "../layout.ts";
import { hasSalt } from "../settings/stack-file.ts";
import { listStates } from "./state.ts";

/** Recovery without a backup takes several steps, so it is documented there. */
const recovery =
  'Restore it from a backup (this machine\'s own copy: clawdlets secrets restore). Without one, see docs/recovery.md, "The passphrase is lost"';

/**
 * Reports a missing passphrase with which something was already encrypted. A new one could not decrypt that, so it is never
 * silently created.
 * @returns undefined if it exists, or nothing needs it yet
 */
export function lostPassphrase(layout: Layout, host: string): Problem | undefined {
  if (readPrivateFile(layout.passphrase) !== undefined) return undefined;
  const where = relative(layout.root, layout.passphrase);
  const problem = (needs: string): Problem => {
    return {
      code: "passphrase-lost",
      subject: where,
      problem: `there is no such file, but ${needs}.`,
      fix: `${recovery}.`,
    };
  };
  const states = listStates(layout);
  if (states.length > 0) return problem(`the state of ${states.join(", ")} is encrypted with it`);
  return hasSalt(layout, host) ? problem(`"encryptionsalt" in stacks/Pulumi.${host}.yaml was made with it`) : undefined;
}

/** Explains the engine's error "incorrect passphrase". @returns undefined for any other failure */
export function wrongPassphrase(host: string, engineSaid: string): Objection | undefined {
  if (!engineSaid.includes("incorrect passphrase")) return undefined;
  return {
    code: "passphrase-wrong",
    problem: `.clawdlets/passphrase is not the passphrase that the state, and "encryptionsalt" in stacks/Pulumi.${host}.yaml, were made with.`,
    fix: `${recovery}.`,
  };
}
