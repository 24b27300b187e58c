import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { commitOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";
import { readJournal } from "../journal.ts";
import { adminRoute } from "../reach/admin-route.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { tailnetAddress } from "../reach/tailnet.ts";
import { type Activated, activate } from "./activate.ts";

export interface Rebuild {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Public IPv4 address, where whoever asks knows it. @default that of the installation this machine knows of */
  address?: string;
  /** The way in, where it is another than {@link anyRoute}'s. */
  route?: SshRoute;
  /** 40 hex digits, `newest` or `previous`; left out: what the settings' flake is at now. */
  rev?: string;
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Seconds. @see Activation.deadlineSeconds @default that of the settings */
  deadlineSeconds?: number | undefined;
  signal: AbortSignal;
  report: (text: string) => void;
}

/**
 * Changes a running host to a commit, as the only one on this machine who works on it.
 * @throws UserError @see activate
 */
export async function rebuild(request: Rebuild): Promise<Activated> {
  const { layout, settings, local, signal, report } = request;
  const { host } = settings;
  refuseLocalBuild(settings);
  const rev = request.rev ?? commitOf(settings, await resolveFlake(layout, settings, local));
  const lost = new AbortController();
  const release = await takeHostLock(hostLayoutOf(layout, host).lock, host, (error) => lost.abort(error));
  try {
    return await activate({
      host,
      rev,
      route: async () => request.route ?? anyRoute(request),
      secrets: request.secrets,
      deadlineSeconds: request.deadlineSeconds ?? settings.rebuild.deadline,
      signal: AbortSignal.any([signal, lost.signal]),
      report,
    });
  } finally {
    await release();
  }
}

/** The tailnet's way where there is one, the public address where that is exposed; undefined while there is neither. */
export async function anyRoute({
  layout,
  settings,
  local,
  address: known,
  signal,
}: Pick<Rebuild, "layout" | "settings" | "local" | "address" | "signal">): Promise<SshRoute | undefined> {
  const reach = { layout, settings, local };
  const address = settings.tailnet === "tailscale" ? await tailnetAddress(local, settings.host, signal) : undefined;
  if (address !== undefined) return adminRoute(reach, address);
  if (settings.tailnet === "tailscale" && settings.sshExposure === "tailnet") return undefined;
  const publicAddress = known ?? readJournal(hostLayoutOf(layout, settings.host).journal)?.address;
  return publicAddress === undefined ? undefined : adminRoute(reach, publicAddress);
}

/** Taking what was built elsewhere would make root of whoever holds admin's key, unless the host could check a signature. */
function refuseLocalBuild({ host, install }: HostSettings): void {
  if (install.buildOn !== "local") return;
  throw new UserError(
    `${host}: clawdlets:install.buildOn is "local", which is for installing. A running host builds what it switches to itself, from a commit of the branch that its configuration names. Set buildOn to "auto".`,
    { exitCode: exitCodes.settings },
  );
}
