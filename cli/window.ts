import { Command, InvalidArgumentError } from "commander";
import { exitCodes } from "../core/base/exit-codes.ts";
import { createHetzner } from "../core/base/hetzner/client.ts";
import { asUserError } from "../core/base/system-errors.ts";
import { closeWindow, findWindows, type Window } from "../core/host/window/window.ts";
import { openByHand } from "../core/host/window/window-by-hand.ts";
import { noteWindow, readWindowJournal } from "../core/host/window/window-journal.ts";
import { findLayout, hostLayoutOf } from "../core/project/layout.ts";
import { readAccess } from "../core/project/settings/access.ts";
import { allOption, chooseHosts } from "./shared/hosts.ts";
import { printJson, resultLines } from "./shared/output.ts";

interface Options {
  host?: string;
  all?: boolean;
  json?: boolean;
}

const hostOption = ["--host <name>", "the host; left out: the only one"] as const;
const jsonOption = ["--json", "one JSON object on stdout"] as const;

/** `clawdlets window`: TCP/22 for a while. To close needs only the API: no ssh, no stack file, no lock on the state. */
export function windowCommand(): Command {
  return new Command("window")
    .description("open TCP/22 of a host to your own address for a while, close it, or list what is open")
    .addCommand(openCommand())
    .addCommand(closeCommand())
    .addCommand(listCommand());
}

function openCommand(): Command {
  return new Command("open")
    .description("OPEN TCP/22 of a host to the admin networks; a guard closes it when the minutes are over")
    .option(...hostOption)
    .option("--minutes <n>", "close after so many minutes, 1 to 240", minutes, 60)
    .option("--cidr <network...>", "let these in; left out: the admin network of stack.json")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nA host that is installed lets ssh in over its tailnet alone unless clawdlets.publicSsh.enable is set, so this is for\nservers that are being installed, for the rescue system, and for hosts with public ssh.\n\nExamples:\n  clawdlets window open --host web-1 --minutes 10\n  clawdlets window open --cidr 203.0.113.7/32\n",
    )
    .action(async (options: Options & { minutes: number; cidr?: string[] }) => {
      const layout = findLayout(process.cwd());
      const [host = ""] = chooseHosts(layout, options);
      const access = readAccess(layout, host, process.env);
      const files = hostLayoutOf(layout, host);
      const hetzner = createHetzner(access);
      const { minutes, cidr: cidrs } = options;
      const window = await openByHand(hetzner, { host, files, access, minutes, cidrs });
      const say = resultLines(options.json);
      say(`${host}: TCP/22 is open to ${window.cidrs.join(", ")} until ${window.until?.toISOString()}`);
      say(`Close it before: clawdlets window close --host ${host}`);
      if (options.json) printJson({ ok: true, host, window: shownWindow(window) });
      process.exit(exitCodes.ok); // The guard stays; nothing here waits for it.
    });
}

function closeCommand(): Command {
  return new Command("close")
    .description("close every window of a host, whoever opened it and whatever is wrong with the files here")
    .option(...hostOption)
    .option(...allOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets window close --host web-1\n  clawdlets window close --all --json\n")
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      const results: { host: string; closed: number; failed?: string }[] = [];
      for (const host of chooseHosts(layout, options)) {
        const result = { host, closed: 0 };
        try {
          const hetzner = createHetzner(readAccess(layout, host, process.env));
          for (const window of await findWindows(hetzner, host)) {
            await closeWindow(hetzner, window);
            if (window.open) result.closed += 1;
          }
          if (result.closed > 0) noteWindow(hostLayoutOf(layout, host).windows, { event: "closed", by: "window" });
          say(`${host}: ${result.closed === 0 ? "no window was open" : `${result.closed} window(s) closed`}`);
          results.push(result);
        } catch (error) {
          const known = asUserError(error);
          if (!known) throw error; // One host in trouble keeps no other one open.
          say(`${host}: NOT CLOSED: ${known.message}`);
          results.push({ ...result, failed: known.message });
        }
      }
      const ok = results.every(({ failed }) => failed === undefined);
      if (options.json) printJson({ ok, hosts: results });
      if (!ok) process.exitCode = exitCodes.open;
    });
}

function listCommand(): Command {
  return new Command("list")
    .description("list what Hetzner has of windows, and with --history what this machine opened and closed")
    .option(...hostOption)
    .option(...allOption)
    .option("--history", "also this machine's journal")
    .option(...jsonOption)
    .addHelpText("after", "\nExits 8 when one is past its deadline.\n\nExamples:\n  clawdlets window list --all\n")
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
  if (!open) return `closed, its firewall ${firewallId} waits to be deleted`;
  const deadline =
    until === undefined ? 'kept open on purpose (sshExposure "bootstrap")' : `until ${until.toISOString()}`;
  return `OPEN to ${cidrs.join(", ")} ${deadline}${isOverdue(window) ? ", which is OVER: clawdlets window close" : ""}`;
}

const shownWindow = (window: Window) => ({ ...window, overdue: isOverdue(window) });

function minutes(text: string): number {
  const value = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 240) throw new InvalidArgumentError("Allowed: whole minutes, 1 to 240.");
  return value;
}
