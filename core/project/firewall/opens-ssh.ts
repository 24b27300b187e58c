import { worldOpenReason } from "./address-set.ts";

/** A firewall rule in the format of Hetzner's API. */
export interface FirewallRule {
  direction: "in" | "out";
  protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  /** One port, a range `1-1024`, or `any`. Absent for protocols without ports. */
  port?: string | null | undefined;
  source_ips?: readonly string[];
}

/** True if the rule opens TCP/22 to any address, however its port is spelled. A port that does not parse counts as open. */
export function opensSsh({ direction, protocol, port, source_ips = [] }: FirewallRule): boolean {
  if (direction !== "in" || protocol !== "tcp" || source_ips.length === 0) return false;
  const [, first, last = first] = /^\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?$/.exec(port ?? "any") ?? [];
  if (first === undefined) return true;
  const [from, to] = [Number(first), Number(last)];
  return Math.min(from, to) <= 22 && 22 <= Math.max(from, to);
}

/** All networks that can reach TCP/22 through these rules. A server's firewalls add up: pass the rules of all of them. */
export function sshSources(rules: readonly FirewallRule[]): string[] {
  return rules.filter(opensSsh).flatMap(({ source_ips = [] }) => source_ips);
}

/** Says why the rules together open TCP/22 to the world, as the end of a sentence; undefined if they do not. */
export function worldOpenSshReason(rules: readonly FirewallRule[]): string | undefined {
  return worldOpenReason(sshSources(rules));
}

/** True if the rules together open TCP/22 to the world. @see worldOpenSshReason */
export function opensSshToTheWorld(rules: readonly FirewallRule[]): boolean {
  return worldOpenSshReason(rules) !== undefined;
}
