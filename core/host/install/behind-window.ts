import { rmSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join, relative } from "node:path";
import { makePrivateFolder } from "../../base/machine/private-files.ts";
import { ciphertextDigest } from "../../project/secrets/ciphertext.ts";
import { hasTailnet } from "../../project/settings/host.ts";
import { deliveredPaths } from "../delivery/delivered-list.ts";
import { readDelivery } from "../delivery/delivery.ts";
import { extraFilesOf, stageExtraFiles } from "../delivery/extra-files.ts";
import { defaultKexec, kexecImage } from "../delivery/kexec-image.ts";
import { deliverToDisk } from "../delivery/to-disk.ts";
import { deliverToSnapshot } from "../delivery/to-snapshot.ts";
import type { HostSeen } from "../facts/verify.ts";
import { probePort } from "../reach/probe.ts";
import type { SshRoute } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";
import type { Step } from "../steps.ts";
import { mintForInstallation, renewOnHost } from "../tailnet/auth-key.ts";
import { removeFormer } from "../tailnet/devices.ts";
import type { Guard } from "../window/guard.ts";
import { bootstrapRoute, replaceBootstrapKeys } from "./bootstrap-keys.ts";
import { cleanStart, type Start } from "./clean-start.ts";
import { confirmHost, confirmLimits, confirmTailnet, type Installed, installedSystem } from "./confirm.ts";
import { checkDisk } from "./disk.ts";
import { bootSeconds, firstContact } from "./first-contact.ts";
import { findInstaller, type Installer, type InstallerSetup, runPhases } from "./installer.ts";
import { intoInstaller } from "./into-installer.ts";

export interface InstallPlan {
  /** Missing with a baked snapshot, which needs none. */
  installer?: Installer;
  /** Pinned flake with attribute. */
  flake: string;
}

/** Seconds. */
const limits = { comesUp: 60 };

/** Installs and confirms the host while the window is open. @returns what the running host reports */
export async function installBehindWindow(
  installation: Installation,
  guard: Guard,
  plan: InstallPlan,
): Promise<{ seen: HostSeen; fresh: boolean; tailnetRoute?: SshRoute }> {
  const { settings, facts, local, host, journal, step } = installation;
  await step("connect", "waiting for ssh with the pinned key", bootSeconds);
  const start = await cleanStart(installation);
  await journal.saw("during", await probePort(facts.address, local.sshPort, { timeoutMs: 5000 }));
  const fresh = start !== "nothing";
  const installed = await installedBy(installation, guard, plan, start);

  const awaited = fresh ? "waiting for the host with its final key" : "the host already has its final key";
  await step("confirm", awaited, confirmLimits.finalKey);
  const { seen, route } = await confirmHost(installation, installed);
  await replaceBootstrapKeys(host, settings.host);
  if (!hasTailnet(settings)) return { seen, fresh };
  await step("tailnet", "waiting for an ssh session over the tailnet", confirmLimits.tailnet);
  if (route.address === facts.address) await renewOnHost(installation, route, await deliveryOf(installation));
  return { seen, fresh, tailnetRoute: await confirmTailnet(installation) };
}

/** @returns what was installed; undefined if nothing was */
async function installedBy(installation: Installation, guard: Guard, plan: InstallPlan, start: Start) {
  if (start === "nothing") return undefined;
  if (start !== "deliver") return installOver(installation, guard, { ...plan, start });
  await removeFormer(installation);
  const { facts, local, host, settings } = installation;
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  return deliverToSnapshot(installation, { route, flake: plan.flake, ...(await filesToSend(installation)) });
}

/** Everything that the host starts with, with a key for the tailnet that is minted now, and the digest of its secrets without that key. */
async function filesToSend(installation: Installation) {
  const delivery = await deliveryOf(installation);
  const minted = await mintForInstallation(installation);
  return {
    files: extraFilesOf({ ...delivery, secrets: { ...delivery.secrets, ...minted } }),
    secretsDir: delivery.remoteSecretsDir,
    // The host has the minted key only until it has joined.
    digest: ciphertextDigest(delivery.secrets),
  };
}

/**
 * Runs nixos-anywhere's three phases separately, so that each has its own deadline and we can check the host in between.
 * @returns the installed system, and the installer's boot id
 */
async function installOver(
  installation: Installation,
  guard: Guard,
  { installer: planned, flake, start }: InstallPlan & { start: "install" | "reboot" },
): Promise<Installed> {
  const { layout, settings, local, facts, host, journal, step, report, signal } = installation;
  const log = join(host.logs, `install-${journal.journal.startedAt.replaceAll(/[:.]/g, "-")}.log`);
  const shownLog = relative(layout.root, log);
  makePrivateFolder(host.logs);
  let current: Step = "kexec";
  // The mode may have changed since an installation that only has to reboot.
  const installer = planned ?? findInstaller(local.nixosAnywhere, local.nix);
  const setup: InstallerSetup = {
    installer,
    logFile: log,
    route: await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort }),
    githubToken: local.githubToken,
    onProcessGroup: (id) => guard.watch(id),
    onLine: (text) => report(current, text),
    signal,
  };
  const advice = `Check ${shownLog} and the server's console. Running clawdlets up again starts from a clean state.`;
  const phase = { flake, install: settings.install, advice };
  const deadlines = settings.install.deadlines;

  if (start === "install") {
    // Nothing is left of an earlier installation, so its name in the tailnet is free for this one.
    await removeFormer(installation);
    const { files, digest } = await filesToSend(installation);
    await journal.installs(flake, digest);
    await journal.delivers(deliveredPaths(files));
    const from = `${forDisplay(flake)}; installer from ${installer.found}, output in ${shownLog}`;
    await step("kexec", from, deadlines.kexec * 60);
    const { install, removeImage } = await withKexecImage(installation);
    try {
      await intoInstaller(installation, () => {
        return runPhases(setup, { ...phase, install, phases: "kexec", deadlineSeconds: deadlines.kexec * 60 });
      });
    } finally {
      removeImage();
    }
    await checkDisk(installation);
    current = "install";
    await step("install", `partitioning the disk and installing ${settings.flakeHost}`, deadlines.install * 60);
    const unstage = stageExtraFiles(host.staging, files);
    let begun = Promise.resolve();
    const onLine = (milestone: string) => {
      if (milestone.startsWith("Formatting")) begun = journal.diskIs("begun");
      setup.onLine(milestone);
    };
    try {
      const deadlineSeconds = deadlines.install * 60;
      await runPhases(
        { ...setup, onLine },
        { ...phase, extraFiles: host.staging, phases: "disko,install", deadlineSeconds },
      );
    } finally {
      await begun;
      unstage();
    }
  }
  const installed = await installedSystem(installation);
  if (start === "reboot") await deliverToDisk(installation, setup.route, await filesToSend(installation));
  await journal.diskIs("installed");

  current = "reboot";
  await step("reboot", "into the installed system", deadlines.reboot * 60);
  try {
    await runPhases(setup, { ...phase, phases: "reboot", deadlineSeconds: deadlines.reboot * 60 });
  } catch (error) {
    // A killed run may have started the reboot already. What counts is which key answers afterwards.
    signal.throwIfAborted();
    report("reboot", "the installer's last phase failed; checking if the new system boots anyway");
    if ((await firstContact(installation, limits.comesUp)) !== "final") throw error;
  }
  return installed;
}

/** The settings for kexec. An IPv6-only server gets the image from this machine. */
export async function withKexecImage({ settings, facts, host, signal }: Installation) {
  const { install } = settings;
  const nothing = () => undefined;
  if (!isIPv6(facts.address)) return { install, removeImage: nothing };
  const folder = join(host.logs, "..", "kexec");
  const removeImage = () => rmSync(folder, { recursive: true, force: true });
  removeImage();
  makePrivateFolder(folder);
  const seconds = AbortSignal.timeout(install.deadlines.kexec * 60_000);
  const { kexec = defaultKexec(settings.serverType) } = install;
  const request = { kexec, host: settings.host, folder, signal: AbortSignal.any([signal, seconds]) };
  try {
    return { install: { ...install, kexec: await kexecImage(request) }, removeImage };
  } catch (error) {
    removeImage();
    throw error;
  }
}

const deliveryOf = ({ layout, settings, local, facts, host }: Installation) =>
  readDelivery(host, { layout, settings, local, installId: facts.installId, address: facts.address });

/** Hides local paths, because progress ends up in the engine's state. The journal has the full URI. */
function forDisplay(flake: string): string {
  if (!/^(?:git\+file|path):/.test(flake)) return flake;
  const rev = /[?&]rev=([0-9a-f]{12})/.exec(flake)?.[1];
  return rev === undefined ? "a folder outside git" : `the repository on this machine at ${rev}`;
}
