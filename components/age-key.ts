import * as pulumi from "@pulumi/pulumi";
import { ageRecipient } from "../core/project/settings/names.ts";

/** The age key of one host. Its private half never passes through the engine: not as an input, not as an output. */
export interface AgeKeyArgs {
  /** Host name, for messages. */
  host: string;
  /** The public half: `age1` and 58 characters. All secrets of the host are encrypted to it. */
  recipient: string;
}

/**
 * Represents the host's age key in the stack: the recipient, and the guarantee that the private half was created and checked on the
 * operator's machine before a server is bought (see `preflight`). It creates, overwrites and deletes nothing: the key in
 * `.clawdlets/secrets/hosts/<host>.agekey` outlives `pulumi destroy`.
 * @throws `pulumi.InputPropertyError` for anything that is not a recipient
 */
export class AgeKey extends pulumi.ComponentResource {
  /** The recipient, checked: `age1` and 58 characters. */
  readonly recipient: pulumi.Output<string>;

  constructor(name: string, args: AgeKeyArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:AgeKey", name, {}, opts);
    const checked = ageRecipient.safeParse(args.recipient);
    if (!checked.success) {
      const allowed = checked.error.issues.map(({ message }) => message).join("; ");
      throw new pulumi.InputPropertyError({
        propertyPath: "recipient",
        reason: `AgeKey "${args.host}": recipient is "${args.recipient}"; ${allowed}. Make one with: clawdlets init --host ${args.host}`,
      });
    }
    this.recipient = pulumi.output(checked.data);
    this.registerOutputs({ recipient: this.recipient });
  }
}
