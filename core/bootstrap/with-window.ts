import { messageOf, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { waitUntil } from "./deadline.ts";
import { type Guard, startGuard } from "./guard.ts";
import { isClosed, probePort } from "./probe.ts";
import type { Installation } from "./request.ts";
import { closeWindow, closeWindowsOf, newRun, openWindow, type Window } from "./window.ts";

/** Seconds the window may stay open, and within which it has to be seen closed. */
const limits = { window: 3600, close: 60 };

/**
 * Does `work` while TCP/22 of the server is open to the admin networks, and closes it whatever happens: at the end, on
 * failure, on Ctrl-C; and by the guard when this process dies. The guard goes only after the port was seen closed.
 */
export async function withWindow<T>(installation: Installation, work: (guard: Guard) => Promise<T>): Promise<T> {
  const { settings, local, facts, host, hetzner, signal, step } = installation;
  const run = newRun();
  const order = { host: settings.host, run, endpoint: local.endpoint, deadlineSeconds: limits.window };
  const guard = await startGuard(order, local.token, host.logs);
  let failure: unknown;
  let window: Window | undefined;
  try {
    await step("open", `opening TCP/22 to ${local.adminCidrs.join(", ")} alone`);
    await closeWindowsOf(hetzner, settings.host); // One that a killed run left: there is never more than one.
    window = await openWindow(hetzner, { host: settings.host, run, ...facts, adminCidrs: local.adminCidrs, signal });
    return await work(guard);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    await close(installation, guard, window, failure);
  }
}

/** Closes, looks, and only then lets the guard go: if any of it fails, the guard goes on trying. */
async function close(
  installation: Installation,
  guard: Guard,
  window: Window | undefined,
  failure: unknown,
): Promise<void> {
  const { settings, hetzner, step } = installation;
  try {
    await step("close", "closing TCP/22");
    // Without a window in hand, one may have come about all the same: then every one of this host is looked for.
    await (window ? closeWindow(hetzner, window) : closeWindowsOf(hetzner, settings.host));
    await checkClosed(installation);
    await guard.dismiss();
  } catch (error) {
    throw new UserError(
      `${messageOf(error)} The guard goes on trying to close it: see guard.log beside the installer's log.`,
      {
        exitCode: exitCodes.open,
        details: failure === undefined ? [] : [`Before that: ${messageOf(failure)}`],
        cause: failure ?? error,
      },
    );
  }
}

async function checkClosed({ settings, facts, local, journal, report }: Installation): Promise<void> {
  if (settings.sshExposure === "public") return; // Open to the admin networks by declaration: Lockdown compares the rules.
  const closed = await waitUntil(
    async () => {
      const seen = await probePort(facts.address, local.sshPort, { timeoutMs: 2000 });
      return isClosed(seen) ? seen : undefined;
    },
    {
      seconds: limits.close,
      pauseMs: 250,
      waitedFor: `${settings.host}: TCP/22 of ${facts.address} was not seen closed`,
      advice: "Look at the server's firewalls in the Hetzner console now: one that allows TCP/22 has to go.",
      signal: new AbortController().signal, // Ctrl-C ends the installation, never the closing.
    },
  );
  await journal.saw("after", closed);
  report("close", `TCP/22 is ${closed}`);
}
