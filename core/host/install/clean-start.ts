import { lookByAnyWay } from "../facts/installed-host.ts";
import { namesOf, pinHostKey } from "../reach/known-hosts.ts";
import type { Installation } from "../request.ts";
import { otherInstallation } from "./confirm.ts";
import { bootSeconds, firstContact, lookBefore, noContact } from "./first-contact.ts";
import { installIdOf } from "./install-id.ts";
import { ensureRunning, rebuildServer } from "./server.ts";

/** What there is to do on a server. */
export type Start = "install" | "reboot" | "nothing";

/**
 * Brings a server to a state from which an installation ends well, and says what is left: nothing, as the wanted installation
 * runs already; the reboot alone; or everything, from the stack's image (or an installer that has not touched the disk) behind
 * the one-time keys.
 *
 * Rebuilds, which WIPES THE DISK, in two cases only: the host itself says that it runs an earlier installation of this
 * server, and `clawdlets:reinstall` has been raised since; or the disk was begun and never finished, by Hetzner's rebuild or by
 * disko. disko over a half-mounted disk fails or wipes what is in use (nix-community/nixos-anywhere#585,
 * nix-community/disko#989).
 */
export async function cleanStart(installation: Installation): Promise<Start> {
  const { settings, facts, journal } = installation;
  const { disk } = journal.journal;
  // A server that was just made runs: that it is asked for costs a request of 3600 an hour for each new host.
  if (!journal.isFirstRun) await turnOn(installation);
  // From a disk that was begun and never finished nothing comes up: half a minute shows that.
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
  // Begun and not mounted: disko may still be at work there, though nobody listens to it any more.
  if (before === "installer with a disk" || (before === "installer" && disk !== "untouched")) {
    return rebuild(installation, "the last run left a half-written disk");
  }
  return "install";
}

async function turnOn(installation: Installation): Promise<boolean> {
  const wasOff = await ensureRunning(installation);
  if (wasOff) await installation.step("connect", "the server was off; it was turned on");
  return wasOff;
}

async function rebuild(installation: Installation, why: string): Promise<Start> {
  await installation.step("rebuild", `${why}; Hetzner puts ${installation.settings.image} on the disk again`);
  // First: a rebuild that fails leaves a server that may be off, with nothing on its disk that boots.
  await installation.journal.diskIs("rebuilding");
  await rebuildServer(installation);
  await installation.journal.diskIs("untouched");
  await turnOn(installation);
  if ((await firstContact(installation)) !== "bootstrap") throw noContact(installation);
  return "install";
}

/** A look under the pinned final key; pins it first, since another machine or an older state may hold another. */
async function lookAtFinal(installation: Installation) {
  const { layout, settings, local, facts } = installation;
  await pinHostKey(layout.knownHosts, namesOf(settings.host, facts.address, local.sshPort), settings.sshHostKey);
  return (await lookByAnyWay(installation))?.seen;
}

/** Whether an id is that of an earlier installation on this same server: ids are made of public facts, so it can be told. */
function isEarlier({ settings, facts }: Installation, installId: string): boolean {
  const wanted = installIdOf({ host: settings.host, serverId: facts.serverId, reinstall: settings.reinstall });
  if (facts.installId !== wanted) return false;
  const earlier = Array.from({ length: settings.reinstall }, (_, reinstall) =>
    installIdOf({ host: settings.host, serverId: facts.serverId, reinstall }),
  );
  return earlier.includes(installId);
}
