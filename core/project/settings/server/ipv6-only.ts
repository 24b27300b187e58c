import { isIPv6 } from "node:net";
import type { Problem } from "../../../base/problem.ts";

interface Settings {
  ipv4Enabled: boolean;
  rebuild: { enabled: boolean; buildOn: string; source?: string };
}

/**
 * Settings that a host without a public IPv4 address cannot have. It cannot fetch its commits: github.com has no IPv6 address, and
 * `rebuild.repository` is always there. cache.nixos.org has one, so the host can build what this machine sends.
 */
export function ipv6OnlyProblems({ ipv4Enabled, rebuild }: Settings, where: string): Problem[] {
  if (ipv4Enabled || !rebuild.enabled || rebuild.buildOn !== "host" || rebuild.source === "send") return [];
  return [
    {
      code: "invalid-value",
      subject: where,
      setting: "clawdlets:rebuild.buildOn",
      problem: `is "${rebuild.buildOn}", but the host has no public IPv4 address (clawdlets:ipv4Enabled) and GitHub has no IPv6, so it could not fetch its commits.`,
      fix: 'Set it to "local", or to a builder: this machine then copies new systems to the host. Or set clawdlets:rebuild.source to "send".',
    },
  ];
}

/** A window for an IPv4 network lets nobody in to a server that has only IPv6. */
export function adminIpv6Problems(
  { host, ipv4Enabled }: Pick<Settings, "ipv4Enabled"> & { host: string },
  adminCidr: string,
  where: string,
): Problem[] {
  if (ipv4Enabled || isIPv6(adminCidr.replace(/\/\d+$/, ""))) return [];
  return [
    {
      code: "settings-disagree",
      subject: where,
      setting: `hosts.${host}.opentofu.adminCidr`,
      problem: `is the IPv4 network ${adminCidr}, but ${host} has no public IPv4 address (clawdlets:ipv4Enabled), so the window would let nobody in.`,
      fix: "Set it to your own IPv6 network, e.g. 2001:db8:1:2::/64.",
    },
  ];
}
