import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { commitOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";
import { findRoute } from "../reach/route.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { type Activated, activate } from "./activate.ts";

export interface Rebuild {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Public IPv4 address, where whoever asks knows it. @default that of the installation this machine knows of */
  address?: string;
  /** The way in, where it is another than {@link findRoute}'s. */
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
      route: async () => (request.route ? { route: request.route } : findRoute(request)),
      secrets: request.secrets,
      deadlineSeconds: request.deadlineSeconds ?? settings.rebuild.deadline,
      signal: AbortSignal.any([signal, lost.signal]),
      report,
    });
  } finally {
    await release();
  }
}

/** Taking what was built elsewhere would make root of whoever holds admin's key, unless the host could check a signature. */
function refuseLocalBuild({ host, install }: HostSettings): void {
  if (install.buildOn !== "local") return;
  throw new UserError(
    {
      subject: host,
      problem: `clawdlets:install.buildOn is "local", which is for installing. A running host builds what it switches to itself, from a commit of the branch that its configuration names.`,
      fix: `Set buildOn to "auto".`,
    },
    { exitCode: exitCodes.settings },
  );
}
