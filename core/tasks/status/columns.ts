import { counted } from "../../base/wording.ts";
import { isHealthy } from "../../host/facts/bot-health.ts";
import type { HostStatus } from "./status.ts";

export interface Column {
  title: string;
  text: (status: HostStatus) => string;
}

const unknown = "?";

/** Of a host without such a thing, e.g. without a server. */
export const nothing = "-";

/** The columns of the table and the page, in this order. */
export const columns: readonly Column[] = [
  { title: "host", text: ({ host }) => host },
  { title: "state", text: ({ ok, server }) => (ok ? "ok" : server ? "problem" : "missing") },
  { title: "server", text: ({ server }) => (server ? `${server.type} ${server.location}, ${server.state}` : nothing) },
  {
    title: "address",
    text: ({ ipv4, ipv6 }) => [ipv4, ipv6].filter((each) => each !== undefined).join(" ") || nothing,
  },
  { title: "TCP/22", text: ({ ssh }) => ssh ?? unknown },
  { title: "tailnet", text: (status) => tailnetOf(status) },
  { title: "installation", text: ({ installId }) => installId ?? nothing },
  { title: "system", text: (status) => systemOf(status) },
  { title: "revision", text: (status) => revisionOf(status) },
  { title: "bots", text: ({ bots }) => (bots ? healthOf(bots) : unknown) },
  {
    title: "secrets",
    text: ({ secrets }) => (secrets ? `${secrets.count}, oldest ${days(secrets.oldestDays)}` : nothing),
  },
  { title: "backups", text: ({ backups }) => backupsOf(backups) },
  { title: "drift", text: ({ drift }) => driftOf(drift) },
  { title: "a month", text: ({ cost }) => (cost ? `${cost.monthlyNet.toFixed(2)} ${cost.currency} net` : unknown) },
];

/** The monthly cost of all hosts, by currency. */
export function totalOf(hosts: readonly HostStatus[]): string {
  const sums = new Map<string, number>();
  for (const { cost } of hosts) {
    if (cost) sums.set(cost.currency, (sums.get(cost.currency) ?? 0) + cost.monthlyNet);
  }
  return [...sums].map(([currency, sum]) => `${sum.toFixed(2)} ${currency}`).join(" and ");
}

const days = (count: number) => counted(count, "day");

function tailnetOf({ tailnet, tailnetKeyExpires }: HostStatus): string {
  if (tailnetKeyExpires === undefined) return tailnet ?? unknown;
  return `${tailnet ?? unknown}, key ${tailnetKeyExpires === "never" ? "never expires" : `expires ${tailnetKeyExpires}`}`;
}

/** The commit that the system was built from, and its age. */
function revisionOf({ systemPath, revision, systemDays }: HostStatus): string {
  if (systemPath === undefined) return nothing;
  const age = systemDays === undefined ? [] : [`${days(systemDays)} old`];
  return [revision?.slice(0, 12) ?? "no commit", ...age].join(", ");
}

function systemOf({ systemPath, seenOn }: HostStatus): string {
  if (systemPath === undefined) return nothing;
  const name = systemPath.replace(/^\/nix\/store\/([a-z0-9]{8})[a-z0-9]*-/, "$1… ");
  return seenOn === "journal" ? `${name} (when installed)` : name;
}

function healthOf(bots: NonNullable<HostStatus["bots"]>): string {
  return bots.length === 0 ? "none" : `${bots.filter(isHealthy).length} of ${bots.length} healthy`;
}

/** The oldest of the last good ones is what would be lost. */
function backupsOf(backups: HostStatus["backups"]): string {
  if (!backups || backups.length === 0) return nothing;
  const missing = backups.filter(({ good }) => good === undefined).length;
  if (missing > 0) return `${missing} of ${backups.length} missing`;
  return `${backups.length}, oldest ${Math.max(...backups.map(({ ageHours = 0 }) => ageHours))} h`;
}

function driftOf(drift: HostStatus["drift"]): string {
  if (!drift) return unknown;
  const parts = Object.entries(drift).map(([operation, count]) => `${count} to ${operation}`);
  return parts.join(", ") || "none";
}
