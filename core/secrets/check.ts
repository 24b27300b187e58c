import { join, relative } from "node:path";
import { messageOf, type Problem } from "../errors.ts";
import type { HostLayout, Layout } from "../local/layout.ts";
import { readPrivateFile } from "../local/private-files.ts";
import { readIdentityFile } from "./age.ts";
import type { RequiredSecret } from "./plan.ts";
import { decryptSecret, recipientsOf } from "./sops.ts";

export interface SecretsToCheck {
  layout: Layout;
  host: HostLayout;
  hostName: string;
  /** The recipient the stack file promises. */
  recipient: string;
  secretsDir: string;
  required: readonly RequiredSecret[];
  /** Absolute path of sops. */
  sops: string;
}

/**
 * Proves that the installed host will be able to read every secret it needs: the private half is there, is private, belongs
 * to the recipient in the stack file, and opens each file. Decrypted text is dropped at once.
 * @returns every problem, not the first
 */
export async function checkHostSecrets(check: SecretsToCheck): Promise<Problem[]> {
  const { layout, host, hostName, recipient } = check;
  const where = relative(layout.root, host.identity);
  const mend = `Make what is missing: clawdlets init --host ${hostName}`;
  try {
    const pair = await readIdentityFile(host.identity);
    if (!pair) return [{ where, setting: "age identity", message: `there is no such file. ${mend}` }];
    if (pair.recipient !== recipient) {
      const message = `is the private half of ${pair.recipient}, but clawdlets:ageRecipient is ${recipient}. Put the right key file back, or mend the stack file.`;
      return [{ where, setting: "age identity", message }];
    }
  } catch (error) {
    return [{ where, setting: "age identity", message: messageOf(error) }];
  }
  const found = await Promise.all(check.required.map((secret) => checkSecret(check, secret)));
  return found.flat();
}

async function checkSecret(
  { layout, host, hostName, recipient, secretsDir, sops }: SecretsToCheck,
  secret: RequiredSecret,
) {
  const file = join(secretsDir, `${secret.name}.yaml`);
  const problem = (message: string): Problem[] => [
    { where: relative(layout.root, file), setting: secret.name, message },
  ];
  try {
    const text = readPrivateFile(file);
    if (text === undefined) return problem(`missing (${secret.purpose}). Make it: clawdlets init --host ${hostName}`);
    if (!recipientsOf(text).includes(recipient)) {
      return problem(
        `not encrypted to this host's recipient ${recipient}, but to ${recipientsOf(text).join(", ") || "nobody"}.`,
      );
    }
    await decryptSecret(sops, { file, name: secret.name, identityFile: host.identity });
    return [];
  } catch (error) {
    return problem(messageOf(error));
  }
}
