import { z } from "zod";
import { cidrProblem } from "./cidr.ts";

/** Hetzner's limits (50 rules), minus our own two rules in every firewall: ping, and TCP/22 if it is exposed. */
export const ruleLimits = { rules: 48, networks: 100, description: 255 } as const;

const portAllowed = 'allowed: a port from 1 to 65535, a range such as "8000-8100", or "any"';

function isPort(text: string): boolean {
  if (text === "any") return true;
  const [, first = "", last = first] = /^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(text) ?? [];
  return first !== "" && Number(first) <= Number(last) && Number(last) <= 65535;
}

const port = z.preprocess(
  (value) => (typeof value === "number" ? String(value) : value),
  z.string(portAllowed).refine(isPort, portAllowed),
);

const network = z.string("allowed: a network with its prefix").superRefine((value, context) => {
  const message = cidrProblem(value);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

const shared = {
  /** Networks with prefix, at their network address. */
  sourceIps: z
    .array(network, "allowed: a list of networks")
    .min(1, "allowed: at least one network")
    .max(ruleLimits.networks, `allowed: up to ${ruleLimits.networks} networks a rule`),
  description: z.string().max(ruleLimits.description, `allowed: up to ${ruleLimits.description} characters`).optional(),
};

/**
 * One rule that opens a port in addition to our own rules. Inbound only: a single outbound rule makes Hetzner drop all other
 * outbound traffic, and egress is configured by the host's NixOS modules.
 * @see Hetzner Cloud API, Firewalls, `rules`
 */
export const inboundRule = z.discriminatedUnion(
  "protocol",
  [
    z.strictObject({ protocol: z.enum(["tcp", "udp"]), port, ...shared }),
    z.strictObject({ protocol: z.enum(["icmp", "esp", "gre"]), ...shared }),
  ],
  "allowed: an object with protocol (tcp, udp, icmp, esp or gre), port for tcp and udp, sourceIps and description",
);

export type InboundRule = z.infer<typeof inboundRule>;

export const inboundRules = z
  .array(inboundRule, "allowed: a list of rules")
  .max(ruleLimits.rules, `allowed: up to ${ruleLimits.rules} rules besides our own`);
