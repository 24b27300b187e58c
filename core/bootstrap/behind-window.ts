import { join, relative } from "node:path";
import { makePrivateFolder } from "../local/private-files.ts";
import { bootstrapRoute, replaceBootstrapKeys } from "./bootstrap-keys.ts";
import { confirmHost, confirmTailnet } from "./confirm.ts";
import { readDelivery } from "./delivery.ts";
import { extraFilesOf, stageExtraFiles } from "./extra-files.ts";
import { firstContact, logInAsRoot } from "./first-contact.ts";
import type { Guard } from "./guard.ts";
import { type Installer, type InstallerSetup, runPhases } from "./installer.ts";
import { probePort } from "./probe.ts";
import type { Installation } from "./request.ts";
import type { Step } from "./steps.ts";
import type { HostSeen } from "./verify.ts";

export interface InstallPlan {
  installer: Installer;
  /** Pinned flake with attribute. */
  flake: string;
}

/** Longest run of each phase, in seconds. */
const deadlines = { kexec: 900, install: 3600, reboot: 600 };

/** What happens between opening and closing. @returns what the host that is there now says of itself */
export async function installBehindWindow(
  installation: Installation,
  guard: Guard,
  plan: InstallPlan,
): Promise<{ seen: HostSeen; fresh: boolean }> {
  const { settings, facts, local, host, journal, step } = installation;
  await step("connect", "waiting for ssh with the pinned key");
  const answer = await firstContact(installation);
  await journal.saw("during", await probePort(facts.address, local.sshPort, { timeoutMs: 5000 }));
  const fresh = answer === "bootstrap";
  if (fresh) await installOver(installation, guard, plan);

  await step(
    "confirm",
    fresh ? "waiting for the host with its final key" : "the host already answers with its final key",
  );
  const seen = await confirmHost(installation);
  await replaceBootstrapKeys(host, settings.host);
  if (settings.tailnet === "tailscale") {
    await step("tailnet", "waiting for an ssh session over the tailnet");
    await confirmTailnet(installation);
  }
  return { seen, fresh };
}

/** The three phases, each a run of its own: a deadline each, and we look at the host in between. */
async function installOver(installation: Installation, guard: Guard, { installer, flake }: InstallPlan): Promise<void> {
  const { layout, settings, local, facts, host, journal, step, report, signal } = installation;
  const log = join(host.logs, `install-${journal.journal.startedAt.replaceAll(/[:.]/g, "-")}.log`);
  const shownLog = relative(layout.root, log);
  makePrivateFolder(host.logs);
  let current: Step = "kexec";
  const setup: InstallerSetup = {
    installer,
    logFile: log,
    route: await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort }),
    githubToken: local.githubToken,
    onProcessGroup: (id) => guard.watch(id),
    onLine: (text) => report(current, text),
    signal,
  };
  const advice = `Look at ${shownLog} and at the server's console; running clawdlets up again starts over.`;
  const phase = { flake, extraFiles: host.staging, advice };
  const files = extraFilesOf(await readDelivery(host, { layout, settings, local, installId: facts.installId }));

  await step("kexec", `installer from ${installer.found}, output in ${shownLog}`);
  await runPhases(setup, { ...phase, phases: "kexec", deadlineSeconds: deadlines.kexec });
  await logInAsRoot(installation);

  current = "install";
  await step("install", `partitioning, and installing ${settings.flakeHost}`);
  const unstage = stageExtraFiles(host.staging, files);
  try {
    await runPhases(setup, { ...phase, phases: "disko,install", deadlineSeconds: deadlines.install });
  } finally {
    unstage();
  }

  current = "reboot";
  await step("reboot", "into the installed system");
  await runPhases(setup, { ...phase, phases: "reboot", deadlineSeconds: deadlines.reboot });
}
