import type * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import type { Owner } from "./checked.ts";

/** Receives the arguments of a server, and returns the arguments to use instead. */
export type TransformServer = (args: hcloud.ServerArgs) => hcloud.ServerArgs;

/** Arguments that keep a host closed, reachable only by us, and protected. */
const fixed = [
  ...["name", "firewallIds", "ignoreRemoteFirewallIds", "sshKeys", "userData"],
  ...["deleteProtection", "rebuildProtection", "rescue", "iso"],
] as const as readonly (keyof hcloud.ServerArgs)[];

/** @throws pulumi.InputPropertyError that names what may not be changed */
export function serverTransformed(
  { component, host }: Owner,
  declared: hcloud.ServerArgs,
  transform: TransformServer | undefined,
): hcloud.ServerArgs {
  if (!transform) return declared;
  const next = transform({ ...declared });
  const changed = fixed.filter((key) => next?.[key] !== declared[key]);
  if (changed.length > 0) {
    throw new pulumi.InputPropertyError({
      propertyPath: "transform",
      reason: `${component} "${host}": transform changes ${changed.join(", ")}; allowed: anything but ${fixed.join(", ")}. Return {...args, what you add}.`,
    });
  }
  return { ...next, labels: pulumi.output(next.labels).apply((labels) => ({ ...labels, ...labelsOf(host) })) };
}
