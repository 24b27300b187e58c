import { z } from "zod";
import { sshExposures } from "../../project/settings/stack-config/stack-config.ts";
import { tailnets } from "../../project/settings/stack-config/tailnet.ts";

const rule = z.object({
  direction: z.enum(["in", "out"]),
  protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
  port: z.string().optional(),
  sourceIps: z.array(z.string()),
});

/** What the stack declares about a server's firewall when nothing is being installed. */
export const lockdownFacts = z.object({
  serverId: z.number(),
  address: z.string(),
  installId: z.string(),
  firewallId: z.number(),
  rules: z.array(rule),
  // Missing in the state of older stacks.
  sshExposure: z.enum(sshExposures).default("tailnet"),
  tailnet: z.enum(tailnets).default("tailscale"),
});

export type LockdownFacts = z.infer<typeof lockdownFacts>;

/** What is expected of a host. Fields are missing if they are unknown, as without a stack file and a state. */
export interface Expected extends Pick<LockdownFacts, "serverId" | "sshExposure"> {
  firewallId?: number;
  /** Undefined: no rule may open TCP/22. */
  rules?: LockdownFacts["rules"];
  tailnet?: LockdownFacts["tailnet"];
}
