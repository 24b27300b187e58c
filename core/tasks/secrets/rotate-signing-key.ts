import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { createSystemKey, type SystemKey } from "../../project/secrets/keys/system-key.ts";
import { exampleKeyProblems } from "../../project/settings/example-stack.ts";
import { addToStackFile, readStackFile } from "../../project/settings/stack-file.ts";

/**
 * Creates a second key that signs a host's systems, and adds it to the stack file. The host trusts it after the next change, which
 * the first key signs; then the first one can be removed.
 * @throws SettingsError if the stack file has problems; UserError if a rotation is not finished
 */
export async function addSystemKey(layout: Layout, host: string): Promise<SystemKey> {
  return asOnlyWriter(layout, async () => {
    const { value, problems } = readStackFile(layout, host);
    const wrong = [...problems, ...(value ? exampleKeyProblems(host, value) : [])];
    if (wrong.length > 0 || !value) throw new SettingsError(wrong);
    const keys = value.systemKeys;
    if (keys.length > 1) {
      throw new UserError(
        {
          code: "rotation-unfinished",
          subject: `stacks/Pulumi.${host}.yaml`,
          setting: "clawdlets:systemKeys",
          problem: `already has ${keys.length} keys.`,
          fix: `Rebuild ${host} first, so that it trusts the newest, and then remove the others.`,
        },
        { exitCode: exitCodes.settings },
      );
    }
    const key = await createSystemKey(layout);
    await addToStackFile(layout, host, { systemKeys: [...keys, key.publicKey] }, ["systemKeys"]);
    return key;
  });
}
