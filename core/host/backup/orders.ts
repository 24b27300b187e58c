import { randomBytes } from "node:crypto";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { poll } from "../../base/wait-until.ts";
import { safeText } from "../../base/wording.ts";
import { type BackupState, backupQuestion, parseBackups } from "../facts/backups.ts";
import { type Refusal, readRefusal, refusedInWords } from "../reach/refusal.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** Command installed by the NixOS module (nix/host/backup.sh). It takes no arguments, so sudo can allow exactly this line. */
const backupCommand = "sudo -n /run/current-system/sw/bin/clawdlets-backup";

/** One host, and a way in. */
export interface BackupHost {
  host: string;
  route: SshRoute;
  signal: AbortSignal;
}

/** Sends an order on standard input. @returns what the host answers @throws UserError with its refusal */
async function giveOrder({ host, route, signal }: BackupHost, order: string): Promise<string> {
  const input = Buffer.from(`${order}\n`);
  const { exitCode, stdout, stderr } = await ssh(route, backupCommand, { input, timeoutSeconds: 480, signal });
  if (exitCode === 0) return stdout;
  const refusal = readRefusal(stderr, exitCode);
  if (exitCode === 255) throw new UserError({ subject: host, problem: `lost contact: ${refusal.said}` });
  throw refusedBackup(host, refusal);
}

/** Tells a missing command, or one that sudo forbids, from our command's own refusal. */
export function refusedBackup(host: string, refusal: Refusal): UserError {
  const { said, code, isMissing } = refusal;
  if (isMissing) {
    return new UserError({
      code: "backup-not-set-up",
      subject: host,
      problem: `its system has no backups (${said}).`,
      fix: `Set clawdlets:backups in its stack file (docs/backups.md), then: clawdlets rebuild --host ${host}`,
    });
  }
  const fix = code === "busy" ? "Run the same command again when that has ended." : undefined;
  const problem = refusedInWords(refusal);
  return new UserError({ code: "backup-failed", subject: host, problem, ...(fix !== undefined && { fix }) });
}

/** Reads what the host says about its backups. @returns undefined if it cannot be reached right now, or there is nothing */
export async function readBackups({ route, signal }: BackupHost): Promise<BackupState | undefined> {
  const { exitCode, stdout } = await ssh(route, backupQuestion, { timeoutSeconds: 20, signal });
  return exitCode === 0 ? parseBackups(stdout) : undefined;
}

/** Polls a host that may be out of reach for a while. @throws UserError after the limit; what was begun goes on there */
async function waitFor<T>(
  to: BackupHost,
  what: string,
  seconds: number,
  attempt: (state: BackupState) => T | undefined,
): Promise<T> {
  const look = async () => {
    const state = await readBackups(to);
    return state && attempt(state);
  };
  const found = await poll(look, { seconds, pauseMs: 500, longestPauseMs: 10_000, signal: to.signal });
  if (found !== undefined) return found;
  throw new UserError({
    code: "backup-unseen",
    subject: to.host,
    problem: `${what} did not end within ${Math.round(seconds / 60)} min. It goes on there.`,
    fix: `See how it ended: clawdlets backup list --host ${to.host}`,
  });
}

/** Backs up every bot, or joins a backup that is running. @returns the state after it */
export async function backUpNow(to: BackupHost, limitSeconds: number): Promise<BackupState> {
  const before = await readBackups(to);
  await giveOrder(to, "now");
  const isRunning = before?.run.phase === "running";
  return waitFor(to, "the backup", limitSeconds, (state) => {
    const isAnother = isRunning || state.run.started !== (before?.run.started ?? "");
    return state.run.phase === "done" && isAnother ? state : undefined;
  });
}

/** Checks the repository. @returns how it ended */
export async function checkRepository(to: BackupHost, limitSeconds: number): Promise<BackupState["check"]> {
  const before = (await readBackups(to))?.check.tried ?? "";
  await giveOrder(to, "check");
  return waitFor(to, "the check", limitSeconds, ({ check }) => (check.tried === before ? undefined : check));
}

const snapshots = z.array(
  z.object({ id: z.string().regex(/^[0-9a-f]{64}$/), time: z.string(), tags: z.array(z.string()).nullish() }),
);

export interface Snapshot {
  /** First 8 digits; enough for `restore --snapshot`. */
  id: string;
  bot: string;
  /** ISO 8601. */
  at: string;
}

/** The snapshots of this host's bots, oldest first. */
export async function listSnapshots(to: BackupHost): Promise<Snapshot[]> {
  const answer = await giveOrder(to, "list");
  const found = snapshots.safeParse(JSON.parse(answer.trim().split("\n").at(-1) || "[]"));
  if (!found.success)
    throw new UserError({
      code: "backup-failed",
      subject: to.host,
      problem: "the host answered no list of snapshots.",
    });
  return found.data
    .map(({ id, time, tags }) => ({ id: id.slice(0, 8), bot: safeText(tags?.[0] ?? "?"), at: safeText(time) }))
    .sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

export interface RestoreRequest {
  bot: string;
  /** `latest`, or 8 to 64 hex digits. */
  snapshot: string;
  to: "folder" | "in-place";
}

/** Restores a bot's folder, and waits for the end. @throws UserError if the host took it back */
export async function restoreBot(
  to: BackupHost,
  request: RestoreRequest,
  limitSeconds: number,
): Promise<BackupState["restore"]> {
  const id = randomBytes(8).toString("hex");
  await giveOrder(to, `restore ${id} ${request.bot} ${request.snapshot} ${request.to}`);
  const { host } = to;
  const ended = await waitFor(to, "the restore", limitSeconds, ({ restore }) =>
    restore.id === id && restore.phase === "done" ? restore : undefined,
  );
  if (ended.result === "restored") return ended;
  const problem = `${request.bot} was not restored, and has the files that it had: ${ended.why}`;
  throw new UserError({ code: "backup-failed", subject: host, problem });
}
