import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { poll, waitUntil } from "../../base/wait-until.ts";
import { keepsWindow } from "../../project/settings/host.ts";
import type { JournalWriter } from "../journal.ts";
import { isClosed, probePort } from "../reach/probe.ts";
import type { Installation } from "../request.ts";
import { closingSeconds, closingWork } from "./close-and-prove.ts";
import { Deadline } from "./deadline.ts";
import { type Guard, startGuard } from "./guard.ts";
import { type Opening, openOnlyWindow } from "./open-window.ts";
import { closeWindowsOf, findWindows, newRun, type TidyUp, takeAllRules, type Window } from "./window.ts";
import { noteWindow } from "./window-journal.ts";

/**
 * Seconds in which a new server's port is expected to open, and in which the port must close once its window has no rules left;
 * and how long before the guard's deadline this process stops, so that it can close the window itself.
 */
const limits = { open: 20, close: 25, aheadOfGuard: 10 };

/**
 * Runs `work` while TCP/22 of the server is open to the admin networks, and always closes it: at the end, on failure, on Ctrl-C,
 * when `install.deadlines.window` has passed, and through the guard if this process dies. The guard ends only after the port is
 * proven closed. With `sshExposure: "bootstrap"`, the window stays open on purpose if `work` succeeds.
 * @param work gets a signal that is also aborted when the window's time is over
 * @param leftovers folders with keys that `work` creates; the guard removes them if this process dies
 */
export async function withWindow<T>(
  installation: Installation,
  work: (installation: Installation, guard: Guard) => Promise<T>,
  leftovers: readonly string[] = [],
): Promise<T> {
  const { settings, local, facts, host, hetzner, journal, step } = installation;
  const run = newRun();
  const deadlineSeconds = settings.install.deadlines.window * 60;
  const { endpoint, sshPort } = local;
  const { serverId } = facts;
  const order = { host: settings.host, run, endpoint, serverId, sshPort, deadlineSeconds, journal: host.windows };
  const install = { journal: host.journal, startedAt: journal.journal.startedAt, leftovers, lock: host.lock };
  const guard = await startGuard({ ...order, install }, local.token, host.logs);
  const timed = withDeadline(installation, deadlineSeconds - limits.aheadOfGuard);
  const { signal } = timed.installation;
  let ending: Ending = { failure: undefined };
  try {
    const cidrs = local.adminCidrs;
    await journal.guardedBy(guard.pid);
    await step("open", `opening TCP/22 to ${cidrs.join(", ")} only`, limits.open);
    // Close what a killed run left: there is never more than one window. A new server cannot have one yet.
    if (!journal.isFirstRun) await closeWindowsOf(hetzner, settings.host);
    const until = new Date(Date.now() + deadlineSeconds * 1000);
    noteWindow(host.windows, { event: "opening", run, by: "install", cidrs, until: until.toISOString() });
    const deadline = keepsWindow(settings) ? {} : { until };
    const request = { host: settings.host, run, ...facts, ...deadline, adminCidrs: cidrs, signal };
    const opening = await openOnlyWindow(hetzner, request);
    ending = { ...ending, window: opening.window };
    await waitUntilInForce(timed.installation, opening);
    noteWindow(host.windows, { event: "open", run, by: "install" });
    const result = await work(timed.installation, guard);
    ending = { ...ending, isKept: keepsWindow(settings) };
    return result;
  } catch (error) {
    // The error of an aborted wait only says that it was aborted; the signal has the reason.
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
 * Connects to a new server's port, which proves without an API request that the rule is in force; asks Hetzner if the port does
 * not open. An older server may be off, or listen only in its tailnet, so we ask Hetzner at once.
 */
async function waitUntilInForce({ facts, local, journal, signal }: Installation, { inForce }: Opening): Promise<void> {
  const connect = async () => {
    const seen = await probePort(facts.address, local.sshPort, { timeoutMs: 2000 });
    return seen === "open" ? seen : undefined;
  };
  if (journal.isFirstRun && (await poll(connect, { seconds: limits.open, pauseMs: 300, signal }))) return;
  await inForce();
}

interface Ending {
  window?: Window;
  failure: unknown;
  isKept?: boolean;
}

function withDeadline(installation: Installation, seconds: number) {
  const { settings, signal } = installation;
  const { window } = settings.install.deadlines;
  const over = new AbortController();
  const ended = new AbortController();
  const late = new UserError(
    {
      subject: settings.host,
      problem: `the installation did not finish within the ${window} minutes that its window may stay open, so it was stopped and the port was closed. The installer's log shows where the time went. Raise clawdlets:install.deadlines.window, then run clawdlets up --host ${settings.host} again.`,
    },
    { exitCode: exitCodes.install },
  );
  new Deadline(seconds).isOver(ended.signal).then(
    () => over.abort(late),
    () => undefined, // It ended in time.
  );
  return {
    installation: { ...installation, signal: AbortSignal.any([signal, over.signal]) },
    clear: () => ended.abort(),
  };
}

async function keep(installation: Installation, guard: Guard, run: string): Promise<void> {
  const { settings, host, report } = installation;
  await guard.dismiss();
  const text = `TCP/22 STAYS OPEN to the admin networks, as sshExposure "bootstrap" requests. Close it: clawdlets lockdown --host ${settings.host}`;
  report("close", text);
  noteWindow(host.windows, { event: "kept", run, by: "install", why: 'sshExposure is "bootstrap"' });
  await record(installation, (journal) => journal.step("close", text));
}

/**
 * Closes the window and checks that the port is closed, before any bookkeeping: a full disk must not keep a port open.
 * If closing fails or takes too long, the guard takes over at once, and this process can end.
 */
async function close(installation: Installation, guard: Guard, ending: Ending, run: string): Promise<void> {
  const { settings, local, host, report } = installation;
  const { window, failure } = ending;
  const { hetzner, tidying, time } = closingWork(local, settings.host, installation.signal);
  let closed: string | undefined;
  let tidy: TidyUp | undefined;
  try {
    report("close", "closing TCP/22", closingSeconds);
    // Even if opening failed, a window may exist: search for every window of this host then.
    tidy = await takeAllRules(hetzner, window ? [window] : await findWindows(hetzner, settings.host));
    closed = await checkClosed(installation, time);
    // If the request for a window got no answer, it may still appear: the guard keeps checking.
    if (window || failure instanceof HetznerApiError) await guard.dismiss();
    else guard.takeOver();
  } catch (error) {
    guard.takeOver();
    throw new UserError(
      {
        subject: "",
        problem: `${messageOf(error)} The guard keeps trying to close it: see guard.log beside the installer's log.`,
        fix: `Check from another machine: clawdlets window list --host ${settings.host}`,
      },
      {
        exitCode: exitCodes.open,
        details: failure === undefined ? [] : [`Before that: ${messageOf(failure)}`],
        cause: failure ?? error,
      },
    );
  }
  noteWindow(host.windows, { event: "closed", run, by: "install" });
  await record(installation, async (journal) => {
    await journal.step("close", "closing TCP/22");
    if (closed !== undefined) await journal.saw("after", closed);
  });
  await tidy(tidying);
}

/** Writes to the journal. A failure is reported; it never hides the installation's own result or error. */
async function record({ journal, report }: Installation, write: (journal: JournalWriter) => Promise<void>) {
  try {
    await write(journal);
  } catch (error) {
    report("close", `the journal could not be written: ${messageOf(error)}`);
  }
}

/** @returns the result of the connection attempt, or undefined if the port is declared open */
async function checkClosed(installation: Installation, time: AbortSignal): Promise<string | undefined> {
  const { settings, facts, local, report } = installation;
  if (settings.sshExposure === "public") return undefined; // Open to the admin networks; Lockdown compares the rules.
  const closed = await waitUntil(
    async () => {
      const seen = await probePort(facts.address, local.sshPort, { timeoutMs: 2000 });
      return isClosed(seen) ? seen : undefined;
    },
    {
      seconds: limits.close,
      pauseMs: 250,
      waitedFor: `${settings.host}: TCP/22 of ${facts.address} did not close`,
      advice: "Check the server's firewalls in the Hetzner console now, and remove any rule that allows TCP/22.",
      signal: time,
    },
  );
  report("close", `TCP/22 is ${closed}`);
  return closed;
}
