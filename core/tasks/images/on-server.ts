import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { makePrivateFolder } from "../../base/machine/private-files.ts";
import { waitUntil } from "../../base/wait-until.ts";
import { stageExtraFiles } from "../../host/delivery/extra-files.ts";
import { findIdentity, identityPaths, imageMarker, perBootPaths } from "../../host/image/identity.ts";
import { imageLabel, revisionLabel } from "../../host/image/labels.ts";
import { withKexecImage } from "../../host/install/behind-window.ts";
import { bootstrapRoute } from "../../host/install/bootstrap-keys.ts";
import { installedSystem } from "../../host/install/confirm.ts";
import { checkDisk } from "../../host/install/disk.ts";
import { logInAsRoot } from "../../host/install/first-contact.ts";
import { findInstaller, type InstallerSetup, runPhases } from "../../host/install/installer.ts";
import { intoInstaller } from "../../host/install/into-installer.ts";
import { JournalWriter } from "../../host/journal.ts";
import { ssh } from "../../host/reach/ssh.ts";
import type { Installation, InstallRequest } from "../../host/request.ts";
import type { Step } from "../../host/steps.ts";
import type { Guard } from "../../host/window/guard.ts";
import type { HostLayout } from "../../project/layout.ts";
import { buyServer, type Order } from "./baking.ts";

export type BakeRequest = Omit<InstallRequest, "facts">;

export interface BakeResult {
  host: string;
  /** Hetzner's id of the snapshot, for `clawdlets:image`. */
  image: number;
  /** GB of the disk that it was made from: a server's disk must not be smaller. */
  diskGb: number;
  architecture: "x86" | "arm";
  systemPath: string;
  /** Commit of the flake; undefined outside git. */
  revision?: string;
}

/** Seconds. */
export const onServer = { off: 180, snapshot: 1800, look: 30 };

export interface Baking {
  hetzner: Hetzner;
  files: HostLayout;
  plan: Order & { flake: string };
  labels: Record<string, string>;
  guard: Guard;
}

/** Orders the server, installs the system on it and takes the snapshot. The caller deletes what was ordered. */
export async function bakeOnServer(
  request: BakeRequest,
  { hetzner, files, plan, labels, guard }: Baking,
): Promise<BakeResult> {
  const { settings, local, signal, report } = request;
  const { host } = settings;
  report("open", `ordering a temporary ${plan.type} in ${plan.location}`, onServer.look);
  const bought = await buyServer(hetzner, { host, order: plan, files, labels, adminCidrs: local.adminCidrs, signal });
  const facts = { ...bought, installId: "image" };
  const journal = new JournalWriter(files.journal, facts);
  const installation: Installation = {
    ...request,
    // The host itself may be in the tailnet under its name.
    settings: { ...settings, tailnet: "none" },
    facts,
    host: files,
    hetzner,
    journal,
    async step(step, text, limitSeconds) {
      await journal.step(step, text);
      report(step, text, limitSeconds);
    },
  };
  await installation.step("connect", "waiting for ssh with the pinned key", onServer.off);
  await logInAsRoot(installation);
  const systemPath = await installOnly(installation, guard, plan.flake);
  await switchOff(installation);
  const revision = /[0-9a-f]{40}/.exec(plan.flake)?.[0];
  const { id, diskGb, architecture } = await takeSnapshot(installation, revision, labels);
  return { host, image: id, diskGb, architecture, systemPath, ...(revision !== undefined && { revision }) };
}

/** kexec, disko and nixos-install with no file but the marker. @returns the system's store path */
async function installOnly(installation: Installation, guard: Guard, flake: string): Promise<string> {
  const { settings, local, host, step, report, signal } = installation;
  const { deadlines } = settings.install;
  makePrivateFolder(host.logs);
  const logFile = join(host.logs, `image-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.log`);
  let current: Step = "kexec";
  const route = await bootstrapRoute(host, settings.host, routeTarget(installation));
  const setup: InstallerSetup = {
    installer: findInstaller(local.nixosAnywhere, local.nix),
    logFile,
    route,
    githubToken: local.githubToken,
    onProcessGroup: (id) => guard.watch(id),
    onLine: (text) => report(current, text),
    signal,
  };
  const phase = { flake, install: settings.install, advice: "Nothing is left of the temporary server. Run it again." };
  await step("kexec", "into the installer", deadlines.kexec * 60);
  const { install, removeImage } = await withKexecImage(installation);
  try {
    await intoInstaller(installation, () =>
      runPhases(setup, { ...phase, install, phases: "kexec", deadlineSeconds: deadlines.kexec * 60 }),
    );
  } finally {
    removeImage();
  }
  await checkDisk(installation);
  current = "install";
  await step("install", `installing ${settings.flakeHost} without keys and secrets`, deadlines.install * 60);
  const unstage = stageExtraFiles(host.staging, [{ path: imageMarker, mode: 0o644, content: `${settings.host}\n` }]);
  try {
    const deadlineSeconds = deadlines.install * 60;
    await runPhases(setup, { ...phase, extraFiles: host.staging, phases: "disko,install", deadlineSeconds });
  } finally {
    unstage();
  }
  return (await installedSystem(installation)).systemPath;
}

const routeTarget = ({ facts, local }: Installation) => ({ address: facts.address, port: local.sshPort });

/** The installed system never runs, so the disk has none of what a first boot makes. @throws UserError if it holds an identity */
async function switchOff(installation: Installation): Promise<void> {
  const { settings, facts, hetzner, host, step, signal } = installation;
  const route = await bootstrapRoute(host, settings.host, routeTarget(installation));
  await step("image", "searching the disk for an identity, and switching the server off", onServer.off);
  const command = `cd /mnt && rm -f ${perBootPaths.join(" ")}; ${findIdentity("/mnt", [...identityPaths, ...perBootPaths])}`;
  const { stdout, exitCode } = await ssh(route, command, { timeoutSeconds: onServer.look, signal });
  if (exitCode !== 0) throw failed(settings.host, "lost the ssh session as root.");
  const found = stdout.trim();
  if (found !== "") {
    const where = found.split("\n").map((path) => `/${path}`);
    throw failed(
      settings.host,
      `the installed disk holds files of one host only: ${where.join(", ")}. No snapshot was made.`,
    );
  }
  await ssh(route, "sync; poweroff", { timeoutSeconds: onServer.look, signal });
  const path = { id: facts.serverId };
  const isOff = async () => {
    const { server } = await answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } }));
    return server?.status === "off" ? true : undefined;
  };
  await waitUntil(isOff, {
    seconds: onServer.off,
    pauseMs: 1000,
    waitedFor: `${settings.host}: the temporary server did not switch off`,
    advice: `Run clawdlets image bake --host ${settings.host} again.`,
    signal,
  });
}

async function takeSnapshot(
  { settings, facts, hetzner, step, signal }: Installation,
  revision: string | undefined,
  unfinished: Record<string, string>,
) {
  await step("image", "making the snapshot", onServer.snapshot);
  const what = "make the snapshot";
  const version = revision === undefined ? "" : ` at ${revision.slice(0, 12)}`;
  const description = `${settings.host}${version}, made by clawdlets image bake`;
  const { action, image } = await answerOf(
    what,
    hetzner.POST("/servers/{id}/actions/create_image", {
      params: { path: { id: facts.serverId } },
      body: { type: "snapshot", description, labels: unfinished },
    }),
  );
  if (!image) throw failed(settings.host, "Hetzner did not report the id of the snapshot.");
  await waitForActions(hetzner, action ? [action] : [], { what, timeoutSeconds: onServer.snapshot, signal });
  const labels = {
    "managed-by": "clawdlets",
    [imageLabel]: settings.host,
    ...(revision !== undefined && { [revisionLabel]: revision }),
  };
  // Only now does it count: one without this label is deleted by the next bake.
  const params = { path: { id: image.id } };
  await answerOf("label the snapshot", hetzner.PUT("/images/{id}", { params, body: { labels } }));
  return { id: image.id, diskGb: image.disk_size, architecture: image.architecture };
}

const failed = (subject: string, problem: string) =>
  new UserError(
    { subject, problem, fix: `Run clawdlets image bake --host ${subject} again.` },
    { exitCode: exitCodes.install },
  );
