import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { createSystemKey, type SystemKey } from "../../project/secrets/keys/system-key.ts";
import { checkStackConfig } from "../../project/settings/stack-config.ts";
import { addToStackFile, readRawStackFile } from "../../project/settings/stack-file.ts";

/**
 * Creates a second key that signs a host's systems, and adds it to the stack file. The host trusts it after the next change, which
 * the first key signs; then the first one can be removed.
 * @throws UserError if a rotation is not finished
 */
export async function addSystemKey(layout: Layout, host: string): Promise<SystemKey> {
  return asOnlyWriter(layout, async () => {
    const where = `stacks/Pulumi.${host}.yaml`;
    const { value } = checkStackConfig(readRawStackFile(layout, host), where);
    const keys = value?.systemKeys ?? [];
    if (!value || keys.length > 1) {
      throw new UserError(
        {
          code: value ? "rotation-unfinished" : "settings",
          subject: where,
          setting: "clawdlets:systemKeys",
          problem: value ? `already has ${keys.length} keys.` : "could not be read.",
          fix: value
            ? `Rebuild ${host} first, so that it trusts the newest, and then remove the others.`
            : `See what is wrong: clawdlets doctor --host ${host}`,
        },
        { exitCode: exitCodes.settings },
      );
    }
    const key = await createSystemKey(layout);
    await addToStackFile(layout, host, { systemKeys: [...keys, key.publicKey] }, ["systemKeys"]);
    return key;
  });
}
