import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { keepsWindow } from "../settings/host.ts";
import { waitUntil } from "./deadline.ts";
import { type Guard, startGuard } from "./guard.ts";
import { type Opening, openOnlyWindow } from "./open-window.ts";
import { isClosed, probePort } from "./probe.ts";
import type { Installation } from "./request.ts";
import { closeWindow, closeWindowsOf, newRun, type Window } from "./window.ts";
import { noteWindow } from "./window-journal.ts";

/**
 * Seconds: within which a new server's port is expected to be seen open, and a window has to be seen closed; and by which we
 * are earlier than the guard, to end in order.
 */
const limits = { open: 20, close: 60, aheadOfGuard: 10 };

/**
 * Does `work` while TCP/22 of the server is open to the admin networks, and closes it whatever happens: at the end, on
 * failure, on Ctrl-C, when `install.deadlines.window` is over; and by the guard when this process dies. The guard goes only
 * after the port was seen closed. With `sshExposure: "bootstrap"` a window whose work went well stays, on purpose.
 * @param work told with a signal that also ends it when the window's time is over
 */
export async function withWindow<T>(
  installation: Installation,
  work: (installation: Installation, guard: Guard) => Promise<T>,
): Promise<T> {
  const { settings, local, facts, host, hetzner, journal, step } = installation;
  const run = newRun();
  const deadlineSeconds = settings.install.deadlines.window * 60;
  const order = { host: settings.host, run, endpoint: local.endpoint, deadlineSeconds, journal: host.windows };
  const guard = await startGuard(order, local.token, host.logs);
  const timed = withDeadline(installation, deadlineSeconds - limits.aheadOfGuard);
  const { signal } = timed.installation;
  let ending: Ending = { failure: undefined };
  try {
    const cidrs = local.adminCidrs;
    await step("open", `opening TCP/22 to ${cidrs.join(", ")} alone`);
    // One that a killed run left: there is never more than one. A server of this very run has none yet.
    if (!journal.isFirstRun) await closeWindowsOf(hetzner, settings.host);
    const until = new Date(Date.now() + deadlineSeconds * 1000);
    noteWindow(host.windows, { event: "opening", run, by: "install", cidrs, until: until.toISOString() });
    const deadline = keepsWindow(settings) ? {} : { until };
    const request = { host: settings.host, run, ...facts, ...deadline, adminCidrs: cidrs, signal };
    const opening = await openOnlyWindow(hetzner, request);
    ending = { ...ending, window: opening.window };
    await isInForce(timed.installation, opening);
    noteWindow(host.windows, { event: "open", run, by: "install" });
    const result = await work(timed.installation, guard);
    ending = { ...ending, isKept: keepsWindow(settings) };
    return result;
  } catch (error) {
    // What was waiting only says that it was aborted; the signal knows why.
    const failure: unknown = signal.aborted ? signal.reason : error;
    ending = { ...ending, failure };
    throw failure;
  } finally {
    timed.clear();
    if (ending.isKept) await keep(installation, guard, run);
    else await close(installation, guard, ending, run);
  }
}

/**
 * A new server's port that is seen open shows the rule in force, and costs no request; Hetzner is asked where it is not. One
 * that has been there may be switched off, or listen in its tailnet alone: nothing is waited for then.
 */
async function isInForce({ facts, local, journal, signal }: Installation, { inForce }: Opening): Promise<void> {
  const deadline = Date.now() + limits.open * 1000;
  while (journal.isFirstRun && Date.now() < deadline) {
    signal.throwIfAborted();
    if ((await probePort(facts.address, local.sshPort, { timeoutMs: 2000 })) === "open") return;
    await sleep(300, undefined, { signal });
  }
  await inForce();
}

interface Ending {
  window?: Window;
  failure: unknown;
  isKept?: boolean;
}

function withDeadline(installation: Installation, seconds: number) {
  const { settings, signal } = installation;
  const over = new AbortController();
  const timer = setTimeout(() => {
    const { window } = settings.install.deadlines;
    over.abort(
      new UserError(
        `${settings.host}: the installation did not end within the ${window} minutes that its window may be open, so it was stopped and the port closed. The installer's log shows where the time went; raise clawdlets:install.deadlines.window, and run clawdlets up --host ${settings.host} again.`,
        { exitCode: exitCodes.install },
      ),
    );
  }, seconds * 1000);
  return {
    installation: { ...installation, signal: AbortSignal.any([signal, over.signal]) },
    clear: () => clearTimeout(timer),
  };
}

async function keep({ settings, host, step }: Installation, guard: Guard, run: string): Promise<void> {
  noteWindow(host.windows, { event: "kept", run, by: "install", why: 'sshExposure is "bootstrap"' });
  await step(
    "close",
    `TCP/22 STAYS OPEN to the admin networks, as sshExposure "bootstrap" asks. Close it: clawdlets lockdown --host ${settings.host}`,
  );
  await guard.dismiss();
}

/** Closes, looks, and only then lets the guard go: if any of it fails, the guard goes on trying. */
async function close(installation: Installation, guard: Guard, ending: Ending, run: string): Promise<void> {
  const { settings, hetzner, host, step } = installation;
  const { window, failure } = ending;
  try {
    await step("close", "closing TCP/22");
    // Without a window in hand, one may have come about all the same: then every one of this host is looked for.
    await (window ? closeWindow(hetzner, window) : closeWindowsOf(hetzner, settings.host));
    noteWindow(host.windows, { event: "closed", run, by: "install" });
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
