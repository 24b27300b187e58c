import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { hostName, matching } from "../../core/project/settings/names.ts";
import { isPlain } from "./plain.ts";

/** Owner of the input, for the message: `NixosInstall "web-1"`. */
export interface Owner {
  component: string;
  host: string;
}

const positiveId = z
  .number("allowed: a positive whole number")
  .int("allowed: a positive whole number")
  .positive("allowed: a positive whole number");

/** Shapes of inputs that several components share. */
export const shapes = {
  id: positiveId,
  ids: z
    .array(positiveId, "allowed: a list of ids")
    .min(1, "allowed: at least one; without a firewall every port is open"),
  address: z.union([z.ipv4(), z.ipv6()], {
    // The provider's value for a server whose address was removed.
    error: ({ input }) =>
      input === ""
        ? "the server no longer has a public IPv4 address, which identifies an installed host. Assign one in the Hetzner console (Servers, Networking), then run the same command again"
        : "allowed: an IPv4 or IPv6 address, e.g. 203.0.113.7",
  }),
  count: z.number("allowed: 0, 1, 2, …").int("allowed: 0, 1, 2, …").min(0, "allowed: 0, 1, 2, …"),
  commit: matching(/^[0-9a-f]{40}$/, "allowed: a full commit, 40 hex digits"),
  digest: matching(/^(?:[0-9a-f]{64}|none)$/, 'allowed: a SHA-256 of 64 hex digits, or "none"'),
  word: matching(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'allowed: a name of Hetzner\'s, of a-z, 0-9, "." and "-"'),
};

/**
 * Checks an input: at once if it is known, so that a preview reports it; otherwise when it is resolved.
 * @returns the input unchanged, or an Output that fails for a wrong value
 * @throws pulumi.InputPropertyError with the property's path
 */
export function checked<T>(
  { component, host }: Owner,
  propertyPath: string,
  value: pulumi.Input<T>,
  shape: z.ZodType<T>,
): pulumi.Input<T> {
  const check = (known: unknown): T => {
    const parsed = shape.safeParse(known);
    if (parsed.success) return known as T;
    const [issue] = parsed.error.issues;
    const path = [propertyPath, ...(issue?.path ?? []).map((part) => `[${String(part)}]`)].join("");
    const given = JSON.stringify(issue?.path.reduce((from, part) => (from as never)?.[part], known)) ?? "undefined";
    const reason = `${component} "${host}": ${path} is ${given}; ${issue?.message}.`;
    const wrong = new pulumi.InputPropertyError({ propertyPath: path, reason });
    // Pulumi hides the stack trace only while a component is constructed. When an Output resolves later, an error ends the program as
    // an unhandled exception, unless it is also marked as a RunError.
    throw isPlain(value) ? wrong : Object.assign(wrong, { __pulumiRunError: true });
  };
  return isPlain(value) ? check(value) : (pulumi.output(value).apply(check as never) as pulumi.Output<T>);
}

/** @throws pulumi.InputPropertyError for an invalid host name */
export function checkHost({ component, host }: Owner): void {
  const problem = hostName.safeParse(host).error?.issues[0];
  if (problem === undefined) return;
  const reason = `${component}: host is ${JSON.stringify(host)}; ${problem.message}.`;
  throw new pulumi.InputPropertyError({ propertyPath: "host", reason });
}

/** Of a server's firewalls: a list that may be of Outputs. */
export function checkedFirewalls(
  owner: Owner,
  ids: pulumi.Input<pulumi.Input<number>[]>,
): pulumi.Input<pulumi.Input<number>[]> {
  if (Array.isArray(ids) && ids.length > 0 && !isPlain(ids)) {
    return ids.map((id, index) => checked(owner, `firewallIds[${index}]`, id, shapes.id));
  }
  return checked(owner, "firewallIds", ids as pulumi.Input<number[]>, shapes.ids);
}
