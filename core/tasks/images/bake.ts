import { rmSync } from "node:fs";
import { messageOf, SettingsError, UserError } from "../../base/errors.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { makePrivateFolder, readPrivateFile, writePrivateFile } from "../../base/machine/private-files.ts";
import { sweepStaging } from "../../host/delivery/extra-files.ts";
import { resolveFlake } from "../../host/flake/flake.ts";
import { ensureBootstrapKeys } from "../../host/install/bootstrap-keys.ts";
import { endLeftInstallers, findInstaller } from "../../host/install/installer.ts";
import { inStackFile } from "../../host/install/preflight.ts";
import { checkImage } from "../../host/server/image.ts";
import { checkIpv6Bake } from "../../host/server/ipv6-only.ts";
import { startGuardOf } from "../../host/window/guard.ts";
import { newRun } from "../../host/window/window.ts";
import { isOnlyIpv6 } from "../../project/firewall/only-ipv6.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { bakeProblems } from "../../project/settings/server/ipv6-only.ts";
import type { BakeGuardOrder } from "./bake-guard-main.ts";
import { bakeFiles, orderFor } from "./baking.ts";
import { bakingLabels, removeBaking } from "./leftovers.ts";
import { type BakeRequest, type BakeResult, bakeOnServer, onServer } from "./on-server.ts";

/** Seconds. */
const limits = { look: 30, others: 1800 };

/** What `bake` would order. @throws SettingsError if that is not possible now */
export async function checkBake({ settings, local, layout }: Pick<BakeRequest, "settings" | "local" | "layout">) {
  const unusable = bakeProblems(settings, `stacks/Pulumi.${settings.host}.yaml`);
  if (unusable.length > 0) throw new SettingsError(unusable);
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  findInstaller(local.nixosAnywhere, local.nix);
  const unreachable = isOnlyIpv6(local.adminCidrs) ? await checkIpv6Bake(settings.host, local) : [];
  if (unreachable.length > 0) throw new SettingsError(unreachable);
  const { order, problems } = await orderFor(hetzner, settings, layout);
  const image = await checkImage(hetzner, { image: order.base, serverType: order.type });
  if (problems.length + image.length > 0) throw new SettingsError(inStackFile(settings.host, [...problems, ...image]));
  return { ...order, flake: await resolveFlake(layout, settings, local) };
}

/**
 * Makes a snapshot with the host's system and without an identity: installs it on a temporary server, which is switched off before
 * it ever boots the system, and deleted afterwards. COSTS MONEY: the server for some minutes, and the snapshot for as long as it
 * exists. Removes first what a killed bake left. In the end nothing but the snapshot is left, or the error names it. If this process
 * is killed, its guard ends the installer and deletes what was bought.
 * @throws UserError
 */
export async function bake(request: BakeRequest): Promise<BakeResult> {
  const { layout, settings, local } = request;
  const { host } = settings;
  const lost = new AbortController();
  const own = hostLayoutOf(layout, host);
  const release = await takeHostLock(own.lock, host, (error) => lost.abort(error));
  const signal = AbortSignal.any([request.signal, lost.signal]);
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const { folder, runFile, files } = bakeFiles(own);
  try {
    request.report("check", "removing what an earlier bake left", limits.look);
    sweepStaging(files.staging);
    await endLeftInstallers(files.bootstrapClientKey);
    const killed = readPrivateFile(runFile);
    await removeBaking(hetzner, host, killed === undefined ? [] : [killed]);
    const plan = await checkBake(request);
    rmSync(folder, { recursive: true, force: true });
    makePrivateFolder(folder);
    const run = newRun();
    // Before anything is bought: after a kill, the next bake knows by it what is its own.
    await writePrivateFile(runFile, run);
    await ensureBootstrapKeys(files, host);
    const { deadlines } = settings.install;
    const seconds = limits.others + onServer.snapshot + (deadlines.kexec + deadlines.install) * 60;
    const labels = bakingLabels(host, run, new Date(Date.now() + seconds * 1000));
    const { endpoint, sshPort } = local;
    const { dir, lock, logs } = own;
    const order: BakeGuardOrder = { host, run, endpoint, sshPort, deadlineSeconds: seconds, own: { dir, lock, logs } };
    const guard = await startGuardOf("image", order, local.token, logs);
    const outcome = await settled(bakeOnServer({ ...request, signal }, { hetzner, files, plan, labels, guard }));
    request.report("close", "deleting the temporary server", limits.look);
    const left = await settled(removeBaking(hetzner, host, [run]));
    if (left.status === "rejected") {
      guard.takeOver();
      throw withLeftovers(left.reason, outcome);
    }
    await guard.dismiss();
    rmSync(folder, { recursive: true, force: true });
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  } finally {
    await release();
  }
}

async function settled<T>(work: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([work]);
  return result;
}

/** That something still costs money comes first; how the bake itself ended is added. */
function withLeftovers(left: unknown, outcome: PromiseSettledResult<BakeResult>): unknown {
  if (!(left instanceof UserError)) return left;
  const ended =
    outcome.status === "fulfilled"
      ? `The snapshot ${outcome.value.image} is finished, and can be used.`
      : `No snapshot was made: ${messageOf(outcome.reason)}`;
  const guarded = "A guard goes on trying for an hour: see guard.log beside the installer's log.";
  return new UserError(left.headline, {
    exitCode: left.exitCode,
    details: [...left.details, guarded, ended],
    cause: left,
  });
}
