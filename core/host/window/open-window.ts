import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { closeWindowsOf, runLabel, untilLabel, type Window, windowLabel } from "./window.ts";

export interface WindowRequest {
  host: string;
  serverId: number;
  installId: string;
  /** From {@link newRun}. */
  run: string;
  /** When it must be closed at the latest; undefined if it is kept open on purpose. */
  until?: Date;
  adminCidrs: readonly string[];
  signal?: AbortSignal;
}

/** A window that Hetzner was asked to open. */
export interface Opening {
  window: Window;
  /** Waits until Hetzner reports its rule as applied. */
  inForce: () => Promise<void>;
}

/**
 * Opens TCP/22 of one server to the admin networks and waits until the rule is in force.
 * Rules of all firewalls on a server add up, so the declared firewall stays unchanged and never drifts. Costs nothing.
 */
export async function openWindow(hetzner: Hetzner, request: WindowRequest): Promise<Window> {
  const { window, inForce } = await askForWindow(hetzner, request, nameOfRun(request));
  await inForce();
  return window;
}

/**
 * Opens the only window of an installation of this host. It always has the same name, and names are unique in a project, so
 * Hetzner refuses it if one is left over; only then do we search for leftovers and close them. Does not wait.
 */
export async function openOnlyWindow(hetzner: Hetzner, request: WindowRequest): Promise<Opening> {
  try {
    return await askForWindow(hetzner, request, `${request.host}-window`);
  } catch (error) {
    if (!(error instanceof HetznerApiError && error.code === "uniqueness_error")) throw error;
    await closeWindowsOf(hetzner, request.host);
    // A window without rules may still be waiting for its deletion and occupy the name.
    return askForWindow(hetzner, request, nameOfRun(request));
  }
}

const nameOfRun = ({ host, installId, run }: WindowRequest) => `${host}-window-${installId}-${run}`;

async function askForWindow(hetzner: Hetzner, request: WindowRequest, name: string): Promise<Opening> {
  const { host, run, serverId, signal } = request;
  const what = `open the bootstrap window of ${host}`;
  const { firewall, actions } = await answerOf(
    what,
    hetzner.POST("/firewalls", {
      body: {
        name,
        labels: {
          [windowLabel]: host,
          [runLabel]: run,
          "clawdlets-install": request.installId,
          ...(request.until && { [untilLabel]: String(Math.ceil(request.until.getTime() / 1000)) }),
        },
        rules: [
          {
            description: "clawdlets bootstrap window",
            direction: "in",
            protocol: "tcp",
            port: "22",
            source_ips: [...request.adminCidrs],
          },
        ],
        apply_to: [{ type: "server", server: { id: serverId } }],
      },
    }),
  );
  // Without the id we cannot close it. Never guess one: the caller then closes every firewall with the label.
  if (!firewall)
    throw new UserError(`Hetzner did not report the id of the firewall it created to ${what}.`, {
      exitCode: exitCodes.api,
    });
  const window = {
    firewallId: firewall.id,
    host,
    serverIds: [serverId],
    open: true,
    cidrs: [...request.adminCidrs],
    ...(request.until && { until: request.until }),
  };
  const limits = { what, timeoutSeconds: 120, ...(signal && { signal }) };
  return { window, inForce: () => waitForActions(hetzner, actions ?? [], limits) };
}
