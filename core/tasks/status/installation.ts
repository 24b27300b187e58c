import { type ActivationState, readActivation } from "../../host/activation/orders.ts";
import { readBackups } from "../../host/backup/orders.ts";
import { type BackupAge, backupAges } from "../../host/facts/backups.ts";
import { type BotHealth, readBotHealth } from "../../host/facts/bot-health.ts";
import { lookByAnyWay } from "../../host/facts/installed-host.ts";
import { type RunningSystem, readRunningSystem } from "../../host/facts/running-system.ts";
import { revisionOf } from "../../host/flake/commits.ts";
import { type Journal, readJournal } from "../../host/journal.ts";
import { serverWithLabels } from "../../host/reach/made-elsewhere.ts";
import { ssh } from "../../host/reach/ssh.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { loadHost } from "../../project/settings/host.ts";

/** What runs on a host. Empty if no server of it is known. */
export interface InstallationStatus {
  /** From the host itself, otherwise from this machine's journal. */
  installId?: string;
  systemPath?: string;
  /** Where installId and systemPath were read. */
  seenOn?: "host" | "journal";
  /** Commit of the running system; omitted if it was built from files that were not committed. */
  revision?: string;
  /** When the running system's generation was created, ISO 8601, UTC. */
  systemSince?: string;
  /** Omitted if the host did not answer. */
  bots?: BotHealth[];
  /** Age of each bot's last good backup; omitted without backups, or if the host did not answer. */
  backups?: BackupAge[];
  /** How the last change of the running system ended, as the host has it; omitted if there was none. */
  lastChange?: string;
  /** When that was, ISO 8601, UTC. */
  lastChangeAt?: string;
}

interface Request {
  layout: Layout;
  host: string;
  now: Date;
  signal: AbortSignal;
}

/** Asks the host itself, with its pinned key; if it does not answer, falls back to the journal. */
export async function readInstallation(
  { layout, host, now, signal }: Request,
  loaded: ReturnType<typeof loadHost>,
): Promise<InstallationStatus> {
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  const facts = journal ?? (await factsElsewhere(host, loaded, signal));
  if (!facts) return {};
  const { serverId, address, installId } = facts;
  const found = await lookByAnyWay({ layout, ...loaded, facts: { serverId, address, installId }, signal });
  if (!found) return journal ? ofJournal(journal) : {};
  const { installId: seenId, systemPath } = found.seen;
  const run = (command: string) => ssh(found.route, command, { timeoutSeconds: 20, signal });
  const bots = await readBotHealth(run, loaded.settings.bots);
  const { backups } = loaded.settings;
  const known = backups && (await readBackups({ host, route: found.route, signal }));
  const activation = (await readActivation(found.route, signal))?.state;
  const system = await readRunningSystem(run, systemPath);
  const revision = system.revision ?? revisionBy(systemPath, activation, journal ?? {});
  const { since, changedAt } = system;
  return {
    ...((seenId || installId) !== "" && { installId: seenId || installId }),
    systemPath,
    seenOn: "host",
    ...(revision !== undefined && { revision }),
    ...(since !== undefined && { systemSince: since }),
    bots,
    ...(backups && { backups: backupAges(backups, loaded.settings.bots, known, now) }),
    ...(activation && changeOf(activation, changedAt)),
  };
}

/** Of a host that another machine installed. Its installation's id is on the host. */
async function factsElsewhere(host: string, { local }: ReturnType<typeof loadHost>, signal: AbortSignal) {
  const server = await serverWithLabels(host, local, signal);
  if (server === undefined || server === "unknown" || server.address === undefined) return undefined;
  return { serverId: server.id, address: server.address, installId: "" };
}

function ofJournal({ installId, systemPath, flake = "", state, endedAt }: Journal): InstallationStatus {
  const revision = revisionOf(flake);
  return {
    installId,
    ...(systemPath !== undefined && { systemPath }),
    ...(state === "done" && revision !== undefined && { revision }),
    ...(state === "done" && endedAt !== undefined && { systemSince: endedAt }),
    seenOn: "journal",
  };
}

/** For a system that does not name its commit: by the last change or the installation, if that is what runs. */
export function revisionBy(
  systemPath: string,
  activation: Pick<ActivationState, "to" | "rev"> | undefined,
  journal: Pick<Journal, "systemPath" | "flake">,
): string | undefined {
  if (activation?.to === systemPath && /^[0-9a-f]{40}$/.test(activation.rev)) return activation.rev;
  return journal.systemPath === systemPath ? revisionOf(journal.flake ?? "") : undefined;
}

const results = { switched: "switched to", returned: "rolled back from", "": "changing to" } as const;

function changeOf({ phase, result, rev, why }: ActivationState, at: RunningSystem["changedAt"]) {
  const reason = why === "" ? "" : `: ${why}`;
  const lastChange = `${results[phase === "done" ? result : ""]} ${rev.slice(0, 12)}${reason}`;
  return { lastChange, ...(at !== undefined && { lastChangeAt: at }) };
}
