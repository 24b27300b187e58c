import { answerOf, createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import { resourceTypes } from "../../base/hetzner/resource-types.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { asUserError } from "../../base/system-errors.ts";
import { type ActivationState, readActivation } from "../../host/activation/orders.ts";
import { readBackups } from "../../host/backup/orders.ts";
import { type BackupAge, backupAges, backupProblems } from "../../host/facts/backups.ts";
import { type BotHealth, healthLine, isHealthy, readBotHealth } from "../../host/facts/bot-health.ts";
import { lookByAnyWay } from "../../host/facts/installed-host.ts";
import { readJournal } from "../../host/journal.ts";
import type { LockdownAnswer } from "../../host/lockdown/prove.ts";
import { verifyHost } from "../../host/lockdown/verify.ts";
import { ssh } from "../../host/reach/ssh.ts";
import { notRunning } from "../../host/server/power.ts";
import { readWindowJournal } from "../../host/window/window-journal.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { loadHost } from "../../project/settings/host.ts";
import { readHostState } from "../../project/state/state.ts";
import { type Cost, costOf, readPrices } from "./cost.ts";
import { type SecretsAge, secretsAge } from "./secrets-age.ts";
import { type HostEvent, timelineOf } from "./timeline.ts";

/** One host at a glance. Unknown values are omitted, and `problems` says why. */
export interface HostStatus {
  host: string;
  /** True if the server exists, is installed, is closed as declared, and matches the stack. */
  ok: boolean;
  server?: { id: number; type: string; location: string; state: string };
  ipv4?: string;
  ipv6?: string;
  /** Says if the host is locked down; omitted if not checked. */
  answer?: LockdownAnswer;
  /** State of TCP/22, by connecting from here. */
  ssh?: "closed" | "open" | "open as declared" | "not tried";
  tailnet?: string;
  /** From the host itself, otherwise from this machine's journal. */
  installId?: string;
  systemPath?: string;
  /** Where installId and systemPath were read. */
  seenOn?: "host" | "journal";
  /** Omitted if the host did not answer. */
  bots?: BotHealth[];
  /** How the last change of the running system ended, as the host has it; omitted if there was none. */
  lastChange?: string;
  secrets?: SecretsAge;
  /** Age of each bot's last good backup; omitted without backups, or if the host did not answer. */
  backups?: BackupAge[];
  /** Number of changes that the next `up` would make, by operation; `{}` if none. */
  drift?: Record<string, number>;
  cost?: Cost;
  /** Installations and windows from this machine's journals, newest first. */
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
    tried("server", () => lookAtServer(hetzner, request)),
    tried("ssh", () => lookAtExposure(request)),
    tried("installation", () => lookAtInstallation(request, loaded)),
    request.preview && tried("drift", () => request.preview?.(host) ?? Promise.resolve({})),
  ]);
  if (server && !server.server) problems.push(`Hetzner has no server for this host: clawdlets up --host ${host}`);
  const state = server?.server?.state;
  const power = state === undefined || state === "running" ? [] : [notRunning(host, state)];
  const ill = installed?.bots?.filter((bot) => !isHealthy(bot)) ?? [];
  problems.push(...new Set([...power, ...(exposure?.wrong ?? [])]), ...ill.map((bot) => `bot ${healthLine(bot)}`));
  const { backups } = loaded.settings;
  problems.push(...(backups ? backupProblems(host, installed?.backups ?? [], backups.maxAgeHours) : []));
  const files = hostLayoutOf(request.layout, host);
  const timeline = timelineOf(readJournal(files.journal), readWindowJournal(files.windows));
  const secrets = secretsAge(loaded.local.secretsDir, request.now);
  const { wrong: _, ...seen } = exposure ?? {};
  return {
    host,
    ok: problems.length === 0 && installed?.installId !== undefined,
    ...server,
    ...seen,
    ...installed,
    ...(secrets && { secrets }),
    ...(timeline.length > 0 && { timeline }),
    ...(drift && { drift: changesIn(drift) }),
    problems,
  };
}

const changesIn = (operations: Record<string, number>) =>
  Object.fromEntries(Object.entries(operations).filter(([operation]) => operation !== "same"));

/** Finds the server by the id in the state, or by our labels. */
async function lookAtServer(
  hetzner: Hetzner,
  { layout, host }: StatusRequest,
): Promise<Pick<HostStatus, "server" | "ipv4" | "ipv6" | "cost">> {
  const known = readHostState(layout, host).value?.resources.find(({ type }) => type === resourceTypes.server)?.id;
  const servers = await allServers(hetzner, `look for the server of ${host}`, selectorOf(host));
  const found = servers.find(({ id }) => String(id) === known) ?? servers[0] ?? (await byId(hetzner, known));
  if (!found) return {};
  const volumes = await Promise.all(found.volumes?.map((id) => volumeGb(hetzner, id)) ?? []);
  const [ipv4, ipv6] = [found.public_net.ipv4?.ip, found.public_net.ipv6?.ip];
  // The API only has `location` since it dropped data centers.
  const location = found.location.name;
  const cost = costOf(await readPrices(hetzner), {
    serverType: found.server_type.name,
    location,
    hasIpv4: ipv4 !== undefined,
    hasBackups: found.backup_window !== null && found.backup_window !== undefined,
    volumeGb: volumes.reduce((sum, size) => sum + size, 0),
  });
  return {
    server: { id: found.id, type: found.server_type.name, location, state: found.status },
    ...(ipv4 !== undefined && { ipv4 }),
    ...(ipv6 !== undefined && { ipv6 }),
    ...(cost && { cost }),
  };
}

async function byId(hetzner: Hetzner, id: string | undefined) {
  if (id === undefined) return undefined;
  const path = { id: Number(id) };
  return (await answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } }))).server;
}

async function volumeGb(hetzner: Hetzner, id: number): Promise<number> {
  const { volume } = await answerOf("get the volume", hetzner.GET("/volumes/{id}", { params: { path: { id } } }));
  return volume.size;
}

async function lookAtExposure({ layout, host, environment, signal }: StatusRequest) {
  const { answer, seen, wrong } = await verifyHost({ layout, host, environment, signal });
  if (!seen) return { answer, wrong };
  const tried = seen.ports.filter(({ notTried }) => notTried === undefined);
  const isOpen = tried.some(({ closed }) => !closed);
  const ssh = tried.length === 0 ? "not tried" : !isOpen ? "closed" : seen.ok ? "open as declared" : "open";
  const expires = seen.tailnetKeyExpires;
  const tailnet = expires === undefined ? seen.tailnet : `${seen.tailnet}, but its key expires ${expires}`;
  return { answer, ssh, tailnet, wrong } as const;
}

/** Asks the host itself, with its pinned key; if it does not answer, falls back to the journal. */
async function lookAtInstallation(
  { layout, host, signal, now }: StatusRequest,
  loaded: ReturnType<typeof loadHost>,
): Promise<Pick<HostStatus, "installId" | "systemPath" | "seenOn" | "bots" | "lastChange" | "backups">> {
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  if (!journal) return {};
  const { serverId, address, installId } = journal;
  const found = await lookByAnyWay({ layout, ...loaded, facts: { serverId, address, installId }, signal });
  if (found) {
    const { installId: seenId, systemPath } = found.seen;
    const run = (command: string) => ssh(found.route, command, { timeoutSeconds: 20, signal });
    const bots = await readBotHealth(run, loaded.settings.bots);
    const activation = (await readActivation(found.route, signal))?.state;
    const lastChange = activation && changeText(activation);
    const { settings } = loaded;
    const known = settings.backups && (await readBackups({ host, route: found.route, signal }));
    const backups = settings.backups && { backups: backupAges(settings.backups, settings.bots, known, now) };
    const id = seenId === "" ? installId : seenId;
    return {
      installId: id,
      systemPath,
      seenOn: "host",
      bots,
      ...(lastChange !== undefined && { lastChange }),
      ...backups,
    };
  }
  const { systemPath } = journal;
  return { installId, ...(systemPath !== undefined && { systemPath }), seenOn: "journal" };
}

const results = { switched: "switched to", returned: "rolled back from", "": "changing to" } as const;

function changeText({ phase, result, rev, why }: ActivationState): string {
  const reason = why === "" ? "" : `: ${why}`;
  return `${results[phase === "done" ? result : ""]} ${rev.slice(0, 12)}${reason}`;
}
