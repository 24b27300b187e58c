import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { commitOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";
import { findRoute } from "../reach/route.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { type Activated, type Activation, activate } from "./activate.ts";

export interface Rebuild {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Public IPv4 address, if the caller knows it. @default the one in this machine's installation journal */
  address?: string;
  /** Route to use instead of {@link findRoute}'s. */
  route?: SshRoute;
  /** 40 hex digits, `newest` or `previous`. @default the commit that the settings' flake resolves to now */
  rev?: string;
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Seconds. @see Activation.deadlineSeconds @default `rebuild.deadline` of the settings */
  deadlineSeconds?: number | undefined;
  signal: AbortSignal;
  report: Activation["report"];
}

/**
 * Changes a running host to a commit, holding the host's lock on this machine.
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

/** Privilege escalation: if the host accepted unsigned builds from elsewhere, the admin key would amount to root. */
function refuseLocalBuild({ host, install }: HostSettings): void {
  if (install.buildOn !== "local") return;
  throw new UserError(
    {
      subject: host,
      problem: `clawdlets:install.buildOn is "local", which only works for an installation. A running host builds its new system itself, from a commit on the branch that its configuration names.`,
      fix: `Set buildOn to "auto".`,
    },
    { exitCode: exitCodes.settings },
  );
}
