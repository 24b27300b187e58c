import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { saidBy } from "../reach/route.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";
import { deliveredPaths, pathLines, removeEach } from "./delivered-list.ts";
import type { ExtraFile } from "./extra-files.ts";
import { packFiles } from "./pack.ts";

/** Seconds. */
const limits = { remove: 30, deliver: 120 };

/**
 * Writes keys, secrets and extra files to the installed disk again, in the installer, before the reboot: they may have changed since they
 * were copied, and nothing sends extra files to a host that runs. What was copied and is not among `files` any more is removed.
 * @param route as root of the installer
 */
export async function deliverToDisk(
  installation: Installation,
  route: SshRoute,
  { files, digest }: { files: readonly ExtraFile[]; digest: string },
): Promise<void> {
  const { host, journal, step } = installation;
  await step("deliver", "sending keys, secrets and extra files again, as they are now", limits.deliver);
  const paths = deliveredPaths(files);
  const former = journal.journal.delivered ?? [];
  // Both, until the new ones are there: a run that is cut off here is repeated.
  await journal.delivers([...new Set([...former, ...paths])]);
  const removed = pathLines(former.filter((path) => !paths.includes(path)));
  await onDisk(installation, route, `set -eu; ${removeEach("/mnt")}`, limits.remove, removed);
  const packed = await packFiles(host.staging, files);
  await onDisk(installation, route, "tar -C /mnt -xpf - --no-same-owner && sync", limits.deliver, packed);
  await journal.delivers(paths, digest);
}

/** @throws UserError if the session is lost or the command fails */
async function onDisk(
  { settings, signal }: Installation,
  route: SshRoute,
  command: string,
  timeoutSeconds: number,
  input: Buffer,
): Promise<void> {
  const { exitCode, stderr } = await ssh(route, command, { timeoutSeconds, signal, input });
  if (exitCode === 0) return;
  const problem = `could not write keys, secrets and extra files to the disk: ${saidBy(stderr)}`;
  const fix = `Run the same command again: clawdlets up --host ${settings.host}`;
  throw new UserError({ subject: settings.host, problem, fix }, { exitCode: exitCodes.install });
}
