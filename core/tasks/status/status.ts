import { createHetzner } from "../../base/hetzner/client.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { problemSentence } from "../../base/problem.ts";
import { asUserError } from "../../base/system-errors.ts";
import { staleBackups } from "../../host/facts/backups.ts";
import { healthLine, isHealthy } from "../../host/facts/bot-health.ts";
import { readJournal } from "../../host/journal.ts";
import type { LockdownAnswer, LockdownSeen } from "../../host/lockdown/prove.ts";
import { verifyHost } from "../../host/lockdown/verify.ts";
import { notRunning } from "../../host/server/power.ts";
import { readWindowJournal } from "../../host/window/window-journal.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { loadHost } from "../../project/settings/host.ts";
import { type InstallationStatus, readInstallation } from "./installation.ts";
import { type SecretsAge, secretsAge } from "./secrets-age.ts";
import { readServer, type ServerStatus } from "./server.ts";
import { type HostEvent, timelineOf } from "./timeline.ts";

/** One host at a glance. Unknown values are omitted, and `problems` says why. */
export interface HostStatus extends ServerStatus, InstallationStatus {
  host: string;
  /** True if the server exists, is installed, is closed as declared, and matches the stack. */
  ok: boolean;
  /** Says if the host is locked down; omitted if not checked. */
  answer?: LockdownAnswer;
  /** State of TCP/22, by connecting from here. */
  ssh?: "closed" | "open" | "open as declared" | "not tried";
  tailnet?: LockdownSeen["tailnet"];
  /** Last day of the host's tailnet key, e.g. `2027-03-01`, or `never`. Omitted if the tailnet did not answer. */
  tailnetKeyExpires?: string;
  /** Age of the running system's generation, in whole days. */
  systemDays?: number;
  secrets?: SecretsAge;
  /** Number of changes that the next `up` would make, by operation; `{}` if none. */
  drift?: Record<string, number>;
  /** Installations and windows from this machine's journals and the host's last change, newest first. */
  timeline?: HostEvent[];
  problems: string[];
}

export interface StatusRequest {
  layout: Layout;
  host: string;
  environment: Environment;
  now: Date;
  signal: AbortSignal;
  /** Number of changes that `up` would make, by operation. Omitted: not checked. */
  preview?: (host: string) => Promise<Record<string, number>>;
}

/** Collects the status of one host. Changes nothing; errors are in the result. */
export async function hostStatus(request: StatusRequest): Promise<HostStatus> {
  const { host } = request;
  const problems: string[] = [];
  const tried = async <T>(what: string, look: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await look();
    } catch (error) {
      request.signal.throwIfAborted();
      const known = asUserError(error);
      if (!known) throw error;
      problems.push(`${what}: ${known.message.split("\n").join(" ")}`);
      return undefined;
    }
  };
  const loaded = await tried("settings", async () => loadHost(request.layout, host, request.environment));
  if (!loaded) return { host, ok: false, answer: "unknown", problems };
  const hetzner = createHetzner({ ...loaded.local, signal: request.signal });
  const [server, exposure, installed, drift] = await Promise.all([
    tried("server", () => readServer(hetzner, request.layout, host)),
    tried("ssh", () => lookAtExposure(request)),
    tried("installation", () => readInstallation(request, loaded)),
    request.preview && tried("drift", () => request.preview?.(host) ?? Promise.resolve({})),
  ]);
  if (server && !server.server) problems.push(`Hetzner has no server for this host: clawdlets up --host ${host}`);
  const state = server?.server?.state;
  const power = state === undefined || state === "running" ? [] : [notRunning(host, state)];
  const ill = installed?.bots?.filter((bot) => !isHealthy(bot)) ?? [];
  problems.push(...new Set([...power, ...(exposure?.wrong ?? [])]), ...ill.map((bot) => `bot ${healthLine(bot)}`));
  const { backups } = loaded.settings;
  problems.push(
    ...(backups ? staleBackups(host, installed?.backups ?? [], backups.maxAgeHours).map(problemSentence) : []),
  );
  const files = hostLayoutOf(request.layout, host);
  const timeline = timelineOf(readJournal(files.journal), readWindowJournal(files.windows), installed);
  const since = installed?.systemSince;
  const secrets = secretsAge(loaded.local.secretsDir, request.now);
  const { wrong: _, ...seen } = exposure ?? {};
  return {
    host,
    ok: problems.length === 0 && installed?.installId !== undefined,
    ...server,
    ...seen,
    ...installed,
    ...(since !== undefined && { systemDays: wholeDays(since, request.now) }),
    ...(secrets && { secrets }),
    ...(timeline.length > 0 && { timeline }),
    ...(drift && { drift: changesIn(drift) }),
    problems,
  };
}

/** 0 if the host's clock is ahead of ours. */
const wholeDays = (since: string, now: Date) =>
  Math.max(0, Math.floor((now.getTime() - Date.parse(since)) / 86_400_000));

const changesIn = (operations: Record<string, number>) =>
  Object.fromEntries(Object.entries(operations).filter(([operation]) => operation !== "same"));

async function lookAtExposure({ layout, host, environment, signal }: StatusRequest) {
  const { answer, seen, wrong } = await verifyHost({ layout, host, environment, signal });
  if (!seen) return { answer, wrong };
  const tried = seen.ports.filter(({ notTried }) => notTried === undefined);
  const isOpen = tried.some(({ closed }) => !closed);
  const ssh = tried.length === 0 ? "not tried" : !isOpen ? "closed" : seen.ok ? "open as declared" : "open";
  const { tailnet, tailnetKey } = seen;
  return { answer, ssh, tailnet, ...(tailnetKey !== undefined && { tailnetKeyExpires: tailnetKey }), wrong } as const;
}
