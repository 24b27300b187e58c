import { z } from "zod";
import type { FirewallRule } from "../../cloud/types.ts";
import { parseRange } from "../../network/cidr.ts";
import { parsePorts } from "../../network/ports.ts";
import { invalidInput } from "../http/errors.ts";

const RULES_MAX = 50;
const CIDRS_MAX = 100;

const ruleBody = z.object({
  direction: z.enum(["in", "out"]),
  protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
  port: z.string().nullish(),
  source_ips: z.array(z.string()).max(CIDRS_MAX, `must not hold more than ${CIDRS_MAX} entries`).nullish(),
  destination_ips: z.array(z.string()).max(CIDRS_MAX, `must not hold more than ${CIDRS_MAX} entries`).nullish(),
  description: z.string().max(255).nullish(),
});

export const rulesBody = z.array(ruleBody).max(RULES_MAX, `must not hold more than ${RULES_MAX} rules`);

/**
 * Checks what a schema cannot say, writes addresses canonically, and puts inbound rules first, as the API does.
 * @throws ApiError 422 naming the field.
 */
export function checkRules(given: z.output<typeof rulesBody>): FirewallRule[] {
  const rules = given.map((rule, index): FirewallRule => {
    const at = `rules.${index}`;
    const hasPort = rule.port !== undefined && rule.port !== null && rule.port !== "";
    const takesPort = rule.protocol === "tcp" || rule.protocol === "udp";
    if (takesPort && !hasPort) throw invalidInput({ [`${at}.port`]: "is required for tcp and udp" });
    if (!takesPort && hasPort) throw invalidInput({ [`${at}.port`]: "is only allowed for tcp and udp" });
    if (hasPort && parsePorts(rule.port ?? "") === null) {
      throw invalidInput({ [`${at}.port`]: "must be a port, a range such as 1024-5000, or any" });
    }
    const source = addresses(rule.source_ips ?? [], `${at}.source_ips`);
    const destination = addresses(rule.destination_ips ?? [], `${at}.destination_ips`);
    if (rule.direction === "in" && source.length === 0) {
      throw invalidInput({ [`${at}.source_ips`]: "is required for direction in" });
    }
    if (rule.direction === "out" && destination.length === 0) {
      throw invalidInput({ [`${at}.destination_ips`]: "is required for direction out" });
    }
    return {
      direction: rule.direction,
      protocol: rule.protocol,
      port: hasPort ? (rule.port ?? null) : null,
      source_ips: source,
      destination_ips: destination,
      description: rule.description ?? null,
    };
  });
  return [...rules.filter((rule) => rule.direction === "in"), ...rules.filter((rule) => rule.direction === "out")];
}

function addresses(cidrs: string[], field: string): string[] {
  return cidrs.map((cidr, index) => {
    const range = parseRange(cidr);
    if (range === null) throw invalidInput({ [`${field}.${index}`]: `'${cidr}' is not a valid CIDR` });
    if (!range.isAtNetworkAddress) {
      throw invalidInput({ [`${field}.${index}`]: `'${cidr}' is not the start of the CIDR block` });
    }
    return range.canonical;
  });
}
