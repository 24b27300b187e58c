import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf } from "../../base/hetzner/client.ts";
import { findIdentity, imageMarker } from "../image/identity.ts";
import { revisionLabel } from "../image/labels.ts";
import { installIdPath } from "../reach/ask.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";
import { deliveredPaths, pathLines, removeFormerFiles } from "./delivered-list.ts";
import type { ExtraFile } from "./extra-files.ts";
import { packFiles } from "./pack.ts";
import { swapOf } from "./swap.ts";

/** Seconds. */
const limits = { look: 20, deliver: 120 };

interface Delivered {
  /** As root, with the one-time keys. */
  route: SshRoute;
  files: readonly ExtraFile[];
  /** Folder of the host's secrets. Afterwards it holds exactly what of `files` is below it. */
  secretsDir: string;
  /** The pinned flake that the stack wants; the snapshot may be older. */
  flake: string;
  /** @see ciphertextDigest */
  digest: string;
}

/**
 * Gives a server that was made of a baked snapshot its identity, and reboots it. A delivery that was cut off is repeated: the system
 * stays without services until the marker is gone, which is the last thing that happens.
 * @throws UserError before anything is sent, if the disk already holds an identity or another host's system
 */
export async function deliverToSnapshot(
  installation: Installation,
  { route, files, secretsDir, flake, digest }: Delivered,
): Promise<{ systemPath: string; bootId: string }> {
  const { settings, facts, host, journal, step, signal } = installation;
  const run = (command: string, seconds: number, input?: Buffer) =>
    runAsRoot(installation, route, command, seconds, input);
  await step("deliver", "checking that the snapshot holds no identity", limits.look);
  await checkMarker(installation, run);
  const look = 'cat /proc/sys/kernel/random/boot_id; cd /nix/var/nix/profiles && readlink "$(readlink system)"';
  const [bootId = "", systemPath = ""] = (await run(look, limits.look)).trim().split("\n");
  if (!/^\/nix\/store\/[^/]+$/.test(systemPath)) throw refused(installation, "there is no NixOS on it.");
  await journal.installs(await flakeOf(installation, flake), digest);

  await step("deliver", "sending keys and secrets", limits.deliver);
  const swap = swapOf(secretsDir);
  // Moved into place: a marker that was half written would be taken for another host's.
  const mark = `echo '${settings.host} ${facts.installId}' >${imageMarker}.new; sync; mv ${imageMarker}.new ${imageMarker}`;
  const others = files.filter(({ path }) => !path.startsWith(`${secretsDir}/`));
  await run(`set -eu; ${mark}; ${removeFormerFiles}`, limits.deliver, pathLines(deliveredPaths(others)));
  const sent = files.map((file) => ({ ...file, path: swap.stagedPath(file.path) }));
  await run(swap.unpack, limits.deliver, await packFiles(host.staging, sent));
  await journal.diskIs("installed");
  await step("reboot", "into the installed system", settings.install.deadlines.reboot * 60);
  // Its connection may end before its exit code arrives. What counts is which key answers afterwards.
  const reboot = `rm -f ${imageMarker} ${imageMarker}.new && sync && reboot`;
  const { exitCode } = await ssh(route, reboot, { timeoutSeconds: limits.look, signal });
  if (exitCode !== 0 && exitCode !== 255) throw stepFailed(installation, exitCode);
  return { systemPath, bootId };
}

/** @throws UserError unless the disk has no identity, or the one that an earlier run of this installation has begun to send */
async function checkMarker(installation: Installation, run: (command: string, seconds: number) => Promise<string>) {
  const { settings, facts } = installation;
  const read = [imageMarker, installIdPath].map((path) => `echo "$(cat ${path} 2>/dev/null)"`).join("; ");
  const [marker = "", installId = ""] = (await run(read, limits.look)).split("\n");
  // Everything was sent, and only the reboot is missing.
  if (marker === "" && installId === facts.installId) return;
  const [bakedFor = "", startedFor] = marker.split(" ");
  if (bakedFor !== settings.host) throw refused(installation, `it was baked for "${bakedFor}".`);
  if (startedFor === facts.installId) return;
  const found = (await run(findIdentity("/"), limits.look)).split("\n").filter((path) => path !== "");
  if (found.length === 0 && startedFor === undefined) return;
  const whose = found.map((path) => `/${path}`).join(", ") || startedFor;
  throw refused(installation, `it holds the identity of a host: ${whose}.`);
}

/** @throws UserError if the session is lost or the command fails */
async function runAsRoot(
  installation: Installation,
  route: SshRoute,
  command: string,
  timeoutSeconds: number,
  input?: Buffer,
): Promise<string> {
  const { signal } = installation;
  const { exitCode, stdout } = await ssh(route, command, { timeoutSeconds, signal, ...(input && { input }) });
  if (exitCode === 0) return stdout;
  throw stepFailed(installation, exitCode);
}

function stepFailed({ settings }: Installation, exitCode: number | undefined): UserError {
  const problem =
    exitCode === 255 ? "lost the ssh session as root." : `a step of the delivery failed with exit code ${exitCode}.`;
  const fix = `Run clawdlets up --host ${settings.host} again.`;
  return new UserError({ subject: settings.host, problem, fix }, { exitCode: exitCodes.install });
}

function refused({ settings }: Installation, reason: string): UserError {
  const problem = `the server's snapshot ${settings.image} cannot be used: ${reason} Nothing was sent.`;
  const fix = `Delete this server. Then make another one: clawdlets image bake --host ${settings.host}`;
  return new UserError({ subject: settings.host, problem, fix }, { exitCode: exitCodes.install });
}

/** The flake at the commit that the snapshot was built from. */
async function flakeOf({ hetzner, settings }: Installation, wanted: string): Promise<string> {
  const path = { id: Number(settings.image) };
  const { image } = await answerOf("look up the image", hetzner.GET("/images/{id}", { params: { path } }));
  const revision = image?.labels?.[revisionLabel];
  return revision === undefined ? wanted : wanted.replace(/[0-9a-f]{40}/, revision);
}
