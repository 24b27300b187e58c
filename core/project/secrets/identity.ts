import { relative } from "node:path";
import { objectionOf } from "../../base/errors.ts";
import { readPublicFile } from "../../base/machine/private-files.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import { readRawStackFile } from "../settings/stack-file.ts";
import { readIdentityFile } from "./keys/age.ts";
import type { SecretStore } from "./store.ts";

/**
 * Checks that the three copies of a host's age key agree: the identity file, the recipient file next to it, and
 * `clawdlets:ageRecipient` in the stack file. A missing identity is only a problem if one of the others shows that it existed:
 * a new key could not decrypt what was encrypted to the old one.
 */
export async function checkIdentity(store: Pick<SecretStore, "layout" | "host" | "files">): Promise<Problem[]> {
  const { layout, host, files } = store;
  const where = relative(layout.root, files.identity);
  const problem = (objection: Objection): Problem[] => [{ subject: where, setting: "age identity", ...objection }];
  try {
    const pair = await readIdentityFile(files.identity);
    const { beside, promised } = recipientsKnown(store);
    if (!pair) {
      const known = promised ?? beside;
      if (known === undefined) return [];
      return problem({
        code: "key-missing",
        problem: `there is no such file, but ${known} is this host's recipient.`,
        fix: `Restore it from a backup (this machine's own copy: clawdlets secrets restore), or give the host a new identity: clawdlets secrets rotate --host ${host}`,
      });
    }
    if (promised !== undefined && promised !== pair.recipient) {
      return problem({
        code: "key-mismatch",
        problem: `is the private half of ${pair.recipient}, but clawdlets:ageRecipient in ${relative(layout.root, files.stackFile)} is ${promised}.`,
        fix: "Restore the right key file, or fix the stack file.",
      });
    }
    if (beside !== undefined && beside !== pair.recipient) {
      const file = relative(layout.root, files.recipient);
      return problem({
        code: "key-mismatch",
        problem: `is the private half of ${pair.recipient}, but ${file} says ${beside}.`,
        fix: `If the key file is the right one: rm '${files.recipient}', then clawdlets secrets init --host ${host}`,
      });
    }
    return [];
  } catch (error) {
    return problem(objectionOf(error, "key-invalid"));
  }
}

/** The host's recipient in its public files, read without any private key. */
export function recipientsKnown({ layout, host, files }: Pick<SecretStore, "layout" | "host" | "files">): {
  beside: string | undefined;
  promised: string | undefined;
} {
  const promised = readRawStackFile(layout, host)["ageRecipient"];
  return {
    beside: readPublicFile(files.recipient)?.trim() || undefined,
    promised: typeof promised === "string" ? promised : undefined,
  };
}
