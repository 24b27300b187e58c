import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { lookByAnyWay } from "../facts/installed-host.ts";
import { namesOf, pinHostKey } from "../reach/known-hosts.ts";
import type { Installation } from "../request.ts";
import { otherInstallation } from "./confirm.ts";
import { bootSeconds, firstContact, lookBefore, noContact } from "./first-contact.ts";
import { installIdOf } from "./install-id.ts";
import { ensureRunning, rebuildSeconds, rebuildServer } from "./server.ts";

/** What is left to do on a server. */
export type Start = "install" | "deliver" | "reboot" | "nothing";

/**
 * Puts a server into a state from which an installation can succeed.
 * @returns `nothing` if the wanted installation already runs, `reboot` if only the reboot is left, `deliver` if the server runs
 * a baked snapshot, or `install` if it runs the stack's image, or an installer that has not touched the disk, with the one-time keys
 *
 * Rebuilds the server, which WIPES THE DISK, in two cases only: the host itself reports an earlier installation of this server
 * and `clawdlets:reinstall` has been raised since; or Hetzner's rebuild or disko started on the disk and never finished. disko
 * over a half-mounted disk fails or wipes what is in use (nix-community/nixos-anywhere#585, nix-community/disko#989).
 */
export async function cleanStart(installation: Installation): Promise<Start> {
  const { settings, facts, journal } = installation;
  const { disk } = journal.journal;
  // A new server is running: asking would cost each new host one of 3600 requests an hour.
  if (!journal.isFirstRun) await turnOn(installation);
  // A half-written disk does not boot, so half a minute of waiting is enough.
  const isHalfWritten = disk === "begun" || disk === "rebuilding";
  const seconds = isHalfWritten ? bootSeconds / 10 : bootSeconds;
  let answer = await firstContact(installation, seconds);
  if (answer === undefined && journal.isFirstRun && (await turnOn(installation))) {
    answer = await firstContact(installation, seconds);
  }
  if (answer === "final") {
    const seen = await lookAtFinal(installation);
    if (seen === undefined || seen.installId === facts.installId) return "nothing";
    if (!isEarlier(installation, seen.installId)) throw otherInstallation(installation, seen);
    return rebuild(
      installation,
      `clawdlets:reinstall is ${settings.reinstall}: wiping the installation ${seen.installId}`,
    );
  }
  if (answer === undefined) {
    if (isHalfWritten) return rebuild(installation, "nothing answers, and the last run left a half-written disk");
    throw noContact(installation);
  }
  const { runs: before } = await lookBefore(installation);
  if (before === "installer with a disk" && disk === "installed") return "reboot";
  // Started but not mounted: a disko whose run was killed may still be working there.
  if (before === "installer with a disk" || (before === "installer" && disk !== "untouched")) {
    return rebuild(installation, "the last run left a half-written disk");
  }
  if (settings.install.mode === "full" && before !== "snapshot") return "install";
  if (settings.install.mode === "snapshot" && before === "snapshot") return "deliver";
  throw otherSystem(installation, before);
}

/** The setting was changed after the server was created, since it is compared with the image before. */
function otherSystem({ settings }: Installation, runs: "image" | "snapshot" | "installer"): UserError {
  const found = runs === "snapshot" ? 'a snapshot of "image bake"' : "another system";
  const problem = `the server was made of ${found}, but clawdlets:install.mode is "${settings.install.mode}". Nothing was sent.`;
  const fix = `Set clawdlets:install.mode back in stacks/Pulumi.${settings.host}.yaml, or delete the server and run clawdlets up again.`;
  return new UserError({ subject: settings.host, problem, fix }, { exitCode: exitCodes.install });
}

async function turnOn(installation: Installation): Promise<boolean> {
  const wasOff = await ensureRunning(installation);
  if (wasOff) await installation.step("connect", "the server was off; turned it on");
  return wasOff;
}

async function rebuild(installation: Installation, why: string): Promise<Start> {
  const what = `${why}; Hetzner rebuilds the server with ${installation.settings.image}`;
  await installation.step("rebuild", what, rebuildSeconds);
  // Record it first: a failed rebuild may leave the server off, with a disk that does not boot.
  await installation.journal.diskIs("rebuilding");
  await rebuildServer(installation);
  await installation.journal.diskIs("untouched");
  await turnOn(installation);
  if ((await firstContact(installation)) !== "bootstrap") throw noContact(installation);
  return installation.settings.install.mode === "snapshot" ? "deliver" : "install";
}

/** Inspects the host with its final key. Pins the key first: another machine or an older state may have pinned a different one. */
async function lookAtFinal(installation: Installation) {
  const { layout, settings, local, facts } = installation;
  await pinHostKey(layout.knownHosts, namesOf(settings.host, facts.address, local.sshPort), settings.sshHostKey);
  return (await lookByAnyWay(installation))?.seen;
}

/** True if the id belongs to an earlier installation on this server. Ids derive from public facts, so we can compute them. */
function isEarlier({ settings, facts }: Installation, installId: string): boolean {
  const wanted = installIdOf({ host: settings.host, serverId: facts.serverId, reinstall: settings.reinstall });
  if (facts.installId !== wanted) return false;
  const earlier = Array.from({ length: settings.reinstall }, (_, reinstall) =>
    installIdOf({ host: settings.host, serverId: facts.serverId, reinstall }),
  );
  return earlier.includes(installId);
}
