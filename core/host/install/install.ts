import { messageOf, SettingsError } from "../../base/errors.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { createTailnetApi } from "../../base/tailnet/api.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { readDelivery } from "../delivery/delivery.ts";
import { sweepStaging } from "../delivery/extra-files.ts";
import type { HostSeen } from "../facts/verify.ts";
import { resolveFlake } from "../flake/flake.ts";
import { JournalWriter, readJournal } from "../journal.ts";
import { fingerprintOf } from "../reach/host-key.ts";
import { probePort } from "../reach/probe.ts";
import type { SshRoute } from "../reach/ssh.ts";
import type { Installation, InstallRequest } from "../request.ts";
import { retireKey } from "../tailnet/auth-key.ts";
import { recordDevice } from "../tailnet/devices.ts";
import { withWindow } from "../window/with-window.ts";
import { installBehindWindow } from "./behind-window.ts";
import { endLeftInstallers, findInstaller, runFolderOf } from "./installer.ts";
import { checkPrivateHalves } from "./preflight.ts";

export interface InstallResult {
  host: string;
  installId: string;
  /** False if the host already ran this installation and was not changed. */
  installed: boolean;
  systemPath: string;
  /** Fingerprint of the host key, `SHA256:…`. */
  hostKey: string;
}

/**
 * Installs NixOS on one server, once: opens the window, checks the host key, runs the installer phase by phase, delivers keys and
 * secrets outside the Nix store, confirms the installed host, and always closes the window.
 *
 * Does not change a host that already runs this installation, nor one that has its final key and another installation's id: that
 * requires `clawdlets:reinstall`. WIPES THE DISK of every other server.
 * @throws UserError with what happened and what to do
 */
export async function install(request: InstallRequest): Promise<InstallResult> {
  const { layout, settings, facts } = request;
  const host = hostLayoutOf(layout, settings.host);
  const done = readJournal(host.journal);
  if (done?.state === "done" && done.installId === facts.installId && done.serverId === facts.serverId) {
    return resultOf(request, false, done.systemPath ?? "");
  }
  const lost = new AbortController();
  const release = await takeHostLock(host.lock, settings.host, (error) => lost.abort(error));
  try {
    const { seen, fresh } = await installUnderLock({
      ...request,
      signal: AbortSignal.any([request.signal, lost.signal]),
    });
    return resultOf(request, fresh, seen.systemPath);
  } finally {
    await release();
  }
}

async function installUnderLock(request: InstallRequest): Promise<{ seen: HostSeen; fresh: boolean }> {
  const { layout, settings, local, facts } = request;
  const host = hostLayoutOf(layout, settings.host);
  const journal = new JournalWriter(host.journal, facts, readJournal(host.journal));
  const tailnetApi = local.tailnetApi && createTailnetApi(local.tailnetApi, { signal: request.signal });
  const installation: Installation = {
    ...request,
    host,
    journal,
    hetzner: createHetzner({ endpoint: local.endpoint, token: local.token }),
    ...(tailnetApi && { tailnetApi }),
    async step(step, text, limitSeconds) {
      await journal.step(step, text);
      request.report(step, text, limitSeconds);
    },
  };
  // First of all remove what a killed run staged: it includes plain-text keys.
  sweepStaging(host.staging);
  await endLeftInstallers(host.bootstrapClientKey);
  await installation.step("check", `${settings.host}: installation ${facts.installId} on ${facts.address}`);
  // `up` has checked them only if it bought the server just now.
  const unusable = await checkPrivateHalves(layout, host);
  if (unusable.length > 0) throw new SettingsError(unusable);
  // Before the port is opened or a disk is wiped: without a key, the host would never join.
  await tailnetApi?.check();
  const plan = {
    ...(settings.install.mode === "full" && { installer: findInstaller(local.nixosAnywhere, local.nix) }),
    flake: await resolveFlake(layout, settings, local),
  };
  await journal.saw("before", await probePort(facts.address, local.sshPort, { timeoutMs: 2000 }));
  try {
    const leftovers = [host.staging, runFolderOf(settings.host, host.logs)];
    const result = await withWindow(installation, (timed, guard) => installBehindWindow(timed, guard, plan), leftovers);
    // With the port closed again.
    if (result.tailnetRoute) await settleTailnet(installation, result.tailnetRoute);
    await journal.end("done", result.seen.systemPath);
    return result;
  } catch (error) {
    await journal.end("failed").catch((unwritten: unknown) => {
      request.report("close", `the journal could not be written: ${messageOf(unwritten)}`);
    });
    throw error;
  }
}

/** What the tailnet's control server has to know of a confirmed host. */
async function settleTailnet(installation: Installation, route: SshRoute): Promise<void> {
  const { tailnetApi, layout, settings, local, facts, host } = installation;
  if (!tailnetApi) return;
  await recordDevice(installation, route.address);
  const delivery = await readDelivery(host, {
    layout,
    settings,
    local,
    installId: facts.installId,
    address: facts.address,
  });
  await retireKey(installation, route, delivery);
}

function resultOf({ settings, facts }: InstallRequest, installed: boolean, systemPath: string): InstallResult {
  return {
    host: settings.host,
    installId: facts.installId,
    installed,
    systemPath,
    hostKey: fingerprintOf(settings.sshHostKey),
  };
}
