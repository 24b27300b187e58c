import type { Problem } from "../../../base/problem.ts";
import { isOnlyIpv6 } from "../../firewall/only-ipv6.ts";

interface Settings {
  ipv4Enabled: boolean;
  install: { mode: string };
  rebuild: { enabled: boolean; buildOn: string; source?: string };
}

/**
 * Settings that a host without a public IPv4 address cannot have: a start from a snapshot, and fetching its commits. github.com has no
 * IPv6 address, and `rebuild.repository` is always there. cache.nixos.org has one, so the host can build what this machine sends.
 */
export function ipv6OnlyProblems(settings: Settings, where: string): Problem[] {
  return settings.ipv4Enabled ? [] : [...sourceProblems(settings, where), ...snapshotProblems(settings, where)];
}

/**
 * At its first boot, a baked system knows its IPv6 address from nobody yet, and asks for its one-time keys at an IPv4 address of Hetzner's
 * metadata service.
 */
function snapshotProblems({ install }: Settings, where: string): Problem[] {
  if (install.mode !== "snapshot") return [];
  return [
    {
      code: "settings-disagree",
      subject: where,
      setting: "clawdlets:install.mode",
      problem:
        'is "snapshot", but the host has no public IPv4 address (clawdlets:ipv4Enabled). Only full installations support that.',
      fix: 'Set clawdlets:install.mode to "full" and clawdlets:image to e.g. debian-12. Or remove clawdlets:ipv4Enabled.',
    },
  ];
}

/** A host that cannot start from a snapshot needs none baked. */
export function bakeProblems({ ipv4Enabled }: Pick<Settings, "ipv4Enabled">, where: string): Problem[] {
  if (ipv4Enabled) return [];
  return [
    {
      code: "settings-disagree",
      subject: where,
      setting: "clawdlets:ipv4Enabled",
      problem: "is false, and a host without a public IPv4 address cannot start from a snapshot.",
      fix: 'Leave clawdlets:install.mode at "full". Or remove clawdlets:ipv4Enabled.',
    },
  ];
}

function sourceProblems({ rebuild }: Settings, where: string): Problem[] {
  if (!rebuild.enabled || rebuild.buildOn !== "host" || rebuild.source === "send") return [];
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
  if (ipv4Enabled || isOnlyIpv6([adminCidr])) return [];
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
