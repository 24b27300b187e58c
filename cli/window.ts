import { Command, InvalidArgumentError } from "commander";
import pMap from "p-map";
import { exitCodes } from "../core/base/exit-codes.ts";
import { createHetzner } from "../core/base/hetzner/client.ts";
import { asUserError } from "../core/base/system-errors.ts";
import { counted } from "../core/base/wording.ts";
import type { PortTries } from "../core/host/reach/port.ts";
import { closeAndProve, closedInWords, closingWork } from "../core/host/window/close-and-prove.ts";
import { findWindows, type Window } from "../core/host/window/window.ts";
import { openByHand } from "../core/host/window/window-by-hand.ts";
import { noteWindow, readWindowJournal } from "../core/host/window/window-journal.ts";
import { findLayout, hostLayoutOf, type Layout } from "../core/project/layout.ts";
import { readAccess } from "../core/project/settings/access.ts";
import { leavesWhenStopped } from "./shared/ending.ts";
import { allOption, chooseHosts } from "./shared/hosts.ts";
import { printJson, type ResultLine, resultLines } from "./shared/output.ts";

interface Options {
  host?: string;
  all?: boolean;
  json?: boolean;
}

const hostOption = ["--host <name>", "the host; optional if there is only one"] as const;
const jsonOption = ["--json", "print one JSON object"] as const;

export function openCommand(): Command {
  return new Command("open")
    .option(...hostOption)
    .option("--minutes <n>", "close after this many minutes, 1 to 240", minutes, 60)
    .option("--cidr <network...>", "networks to let in; the default is the admin network of stack.json")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nAn installed host accepts ssh only over its tailnet unless clawdlets.publicSsh.enable is set. So this is for servers that\nare being installed, for the rescue system and for hosts with public ssh.\n\nExamples:\n  clawdlets window open --host web-1 --minutes 10\n  clawdlets window open --cidr 203.0.113.7/32\n",
    )
    .action(async (options: Options & { minutes: number; cidr?: string[] }) => {
      const layout = findLayout(process.cwd());
      const [host = ""] = chooseHosts(layout, options);
      const access = readAccess(layout, host, process.env);
      const files = hostLayoutOf(layout, host);
      const hetzner = createHetzner(access);
      const { minutes } = options;
      const cidrs = options.cidr && [...new Set(options.cidr)];
      const window = await openByHand(hetzner, { host, files, access, minutes, cidrs });
      const say = resultLines(options.json);
      say(`${host}: TCP/22 is open to ${window.cidrs.join(", ")} until ${window.until?.toISOString()}`);
      say(`Close it earlier: clawdlets window close --host ${host}`);
      if (options.json) printJson({ ok: true, host, window: shownWindow(window) });
      process.exit(exitCodes.ok); // The guard stays; nothing here waits for it.
    });
}

export function closeCommand(): Command {
  return new Command("close")
    .option(...hostOption)
    .option(...allOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExits with 8 if TCP/22 still answers, or if we could not prove that it is closed.\n\nExamples:\n  clawdlets window close --host web-1\n  clawdlets window close --all --json\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      leavesWhenStopped("TCP/22 may still be open. Run the same command again.");
      // Side by side: one host in trouble keeps no other one open.
      const close = (host: string) => closeHostsWindows(layout, host, say);
      const results = await pMap(chooseHosts(layout, options), close, { concurrency: 8 });
      const ok = results.every(({ failed }) => failed === undefined);
      if (options.json) printJson({ ok, hosts: results });
      if (!ok) process.exitCode = exitCodes.open;
    });
}

interface CloseResult {
  host: string;
  /** Windows that were open. */
  closed: number;
  /** What connecting to TCP/22 showed afterwards. */
  ports: PortTries[];
  failed?: string;
}

async function closeHostsWindows(layout: Layout, host: string, say: ResultLine): Promise<CloseResult> {
  try {
    const access = readAccess(layout, host, process.env);
    const { hetzner, ...work } = closingWork(access, host);
    const closed = await closeAndProve(hetzner, { host, sshPort: access.sshPort, ...work });
    const { windows, ports, openers } = closed;
    if (windows > 0) noteWindow(hostLayoutOf(layout, host).windows, { event: "closed", by: "window" });
    const count = windows === 0 ? "no window was open" : `${counted(windows, "window")} closed`;
    say(`${host}: ${count}; ${closedInWords(closed)}`);
    const strangers = openers.filter(({ isOwn }) => !isOwn).map(({ name }) => name);
    if (strangers.length === 0) return { host, closed: windows, ports };
    const failed = `TCP/22 stays open: it is opened by ${strangers.join(", ")}. See: clawdlets lockdown --host ${host}`;
    say(`${host}: ${failed}`);
    return { host, closed: windows, ports, failed };
  } catch (error) {
    const known = asUserError(error);
    if (!known) throw error;
    const failed = known.message;
    // An error that says "NOT CLOSED" itself has this code; others, such as a refused token, say only what failed.
    const saysSo = known.problems.some(({ code }) => code === "open");
    say(saysSo ? failed : `${host}: NOT CLOSED: ${failed}`);
    return { host, closed: 0, ports: [], failed };
  }
}

export function listCommand(): Command {
  return new Command("list")
    .option(...hostOption)
    .option(...allOption)
    .option("--history", "show this machine's journal, too")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExits with 8 if a window is past its deadline.\n\nExamples:\n  clawdlets window list --all\n",
    )
    .action(async (options: Options & { history?: boolean }) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      let overdue = false;
      const hosts = [];
      for (const host of chooseHosts(layout, options)) {
        const windows = await findWindows(createHetzner(readAccess(layout, host, process.env)), host);
        overdue ||= windows.some(isOverdue);
        if (windows.length === 0) say(`${host}: no window`);
        for (const window of windows) say(`${host}: ${inWords(window)}`);
        const history = options.history ? readWindowJournal(hostLayoutOf(layout, host).windows) : undefined;
        for (const { at, event, by, why } of history ?? []) say(`  ${at}  ${event} by ${by}${why ? `: ${why}` : ""}`);
        hosts.push({ host, windows: windows.map(shownWindow), ...(history && { history }) });
      }
      if (options.json) printJson({ ok: !overdue, hosts });
      if (overdue) process.exitCode = exitCodes.open;
    });
}

const isOverdue = ({ open, until }: Window) => open && until !== undefined && until.getTime() < Date.now();

function inWords(window: Window): string {
  const { open, cidrs, until, firewallId } = window;
  if (!open) return `no rules left; its firewall ${firewallId} waits to be deleted`;
  const deadline =
    until === undefined ? 'kept open on purpose (sshExposure "bootstrap")' : `until ${until.toISOString()}`;
  return `OPEN to ${cidrs.join(", ")} ${deadline}${isOverdue(window) ? ", which is OVER: clawdlets window close" : ""}`;
}

const shownWindow = (window: Window) => ({ ...window, overdue: isOverdue(window) });

function minutes(text: string): number {
  const value = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 240) throw new InvalidArgumentError("whole minutes, 1 to 240");
  return value;
}
