import { z } from "zod";
import { sshExposures } from "../../project/settings/stack-config.ts";

const rule = z.object({
  direction: z.enum(["in", "out"]),
  protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
  port: z.string().optional(),
  sourceIps: z.array(z.string()),
});

/** What the stack declares to be true of a server's firewall at rest. */
export const lockdownFacts = z.object({
  serverId: z.number(),
  address: z.string(),
  installId: z.string(),
  firewallId: z.number(),
  rules: z.array(rule),
  // Left out by stacks that were made before these were declared.
  sshExposure: z.enum(sshExposures).default("tailnet"),
  tailnet: z.enum(["tailscale", "none"]).default("tailscale"),
});

export type LockdownFacts = z.infer<typeof lockdownFacts>;

/** What has to be so; less where less is known, as without a stack file and a state. */
export interface Expected extends Pick<LockdownFacts, "serverId" | "sshExposure"> {
  firewallId?: number;
  /** Left out: then no rule at all may open TCP/22. */
  rules?: LockdownFacts["rules"];
  tailnet?: LockdownFacts["tailnet"];
}
