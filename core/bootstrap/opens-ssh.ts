import { isWorldOpen } from "../settings/cidr.ts";

/** An inbound or outbound rule in the shape of Hetzner's API. */
export interface FirewallRule {
  direction: "in" | "out";
  protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  /** One port, a range `1-1024`, or `any`. Absent for protocols without ports. */
  port?: string | null;
  source_ips?: readonly string[];
}

/** True when the rule lets somebody reach TCP/22, however its port is spelt. */
export function opensSsh({ direction, protocol, port, source_ips = [] }: FirewallRule): boolean {
  if (direction !== "in" || protocol !== "tcp" || source_ips.length === 0) return false;
  if (port === undefined || port === null || port === "any") return true;
  const [first = "", last = first] = port.split("-");
  return Number(first) <= 22 && 22 <= Number(last);
}

/** True when the rules together let the whole internet reach TCP/22. */
export function opensSshToTheWorld(rules: readonly FirewallRule[]): boolean {
  return isWorldOpen(rules.filter(opensSsh).flatMap(({ source_ips = [] }) => source_ips));
}
