import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allFirewalls, allServers } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { opensSsh } from "../../project/firewall/opens-ssh.ts";
import { type PortTries, triesInWords, tryPort } from "../reach/port.ts";
import { findWindows, runLabel, takeAllRules, type Window, windowLabel } from "./window.ts";

/**
 * Seconds that closing may take: until Hetzner accepts that rules are removed, then until they are, and after this process is
 * asked to stop. Hetzner's actions take a second on most days and up to 30 on others: that is slow, but not open for good.
 */
const limits = { accepted: 30, applied: 90, stopped: 10 };

/** The most that a person waits for a window to close, in seconds. */
export const closingSeconds = limits.accepted + limits.applied;

/** What closing works with. */
export interface ClosingWork {
  /** All its requests end when {@link time} is over. It retries often enough for a firewall that is locked. */
  hetzner: Hetzner;
  /** For what is left to delete once the port is closed: its requests end only after Ctrl-C and SIGTERM. */
  tidying: Hetzner;
  /**
   * Aborted when closing takes too long: a guard then takes over, or a person is told. Ctrl-C and SIGTERM do not abort it
   * immediately, because the window has to be closed before the process ends.
   */
  time: AbortSignal;
}

/** Starts the time that closing may take. */
export function closingWork(
  { endpoint, token }: { endpoint: string; token: string },
  host: string,
  stop?: AbortSignal,
): ClosingWork {
  const over = new AbortController();
  const stopped = new AbortController();
  const giveUpAfter = (seconds: number, ...ended: AbortController[]) => {
    const reason = new UserError(`Closing TCP/22 of ${host} took longer than ${seconds} s.`, {
      exitCode: exitCodes.open,
    });
    const giveUp = () => {
      for (const each of [over, ...ended]) each.abort(reason);
    };
    return setTimeout(giveUp, seconds * 1000).unref();
  };
  let unanswered: NodeJS.Timeout | undefined = giveUpAfter(limits.accepted);
  const stopSoon = () => void giveUpAfter(limits.stopped, stopped);
  if (stop?.aborted) stopSoon();
  else stop?.addEventListener("abort", stopSoon, { once: true });
  const retries = { attempts: 6, maxWaitSeconds: 5, trySeconds: 8 };
  const hetzner = createHetzner({ endpoint, token, signal: over.signal, limits: retries });
  const tidying = createHetzner({ endpoint, token, signal: stopped.signal, limits: retries });
  hetzner.use({
    onResponse({ schemaPath, response }) {
      if (unanswered === undefined || !response.ok || !schemaPath.endsWith("/actions/set_rules")) return;
      clearTimeout(unanswered);
      unanswered = undefined;
      giveUpAfter(limits.applied);
    },
  });
  return { hetzner, tidying, time: over.signal };
}

export interface Closing {
  host: string;
  /** Closes only the windows of this run. @default every window of the host */
  run?: string;
  /** Closes only these windows of the host. @default those that Hetzner lists */
  windows?: readonly Window[];
  /** The windows' server. @default the servers that the windows are attached to, and those with the host's labels */
  serverId?: number;
  sshPort: number;
  /** From {@link closingWork}: stops waiting for a port that still answers. */
  time?: AbortSignal;
  /** From {@link closingWork}: deletes what is left of the windows, after the proof. @default the client that closes them */
  tidying?: Hetzner;
}

export interface Closed {
  /** Windows that had rules. */
  windows: number;
  /** Attempts to connect to TCP/22 afterwards, for each address; empty if Hetzner has no server for this host. */
  ports: PortTries[];
  /** What else opens TCP/22 according to Hetzner. Without one, a port that answers is an error. */
  openers: Opener[];
}

export interface Opener {
  /** e.g. `the firewall "web-1-fw" (12)` */
  name: string;
  /** True if it has the host's labels, so the stack declares it or once did. */
  isOwn: boolean;
}

/**
 * Closes the windows of a host and then tries to connect. "Closed" means a failed connection attempt, not an answer of the API:
 * a proxy may report success and do nothing. Needs only the API.
 * @throws UserError if Hetzner fails to close one, still lists one with rules, or TCP/22 answers and no other rule explains it
 */
export async function closeAndProve(hetzner: Hetzner, closing: Closing): Promise<Closed> {
  const { host, run } = closing;
  const windows = closing.windows ?? (await findWindows(hetzner, host, run));
  const tidy = await takeAllRules(hetzner, windows);
  try {
    return await prove(hetzner, closing, windows);
  } finally {
    // Also detaches, which closes a port whose rules were removed without effect.
    await tidy(closing.tidying ?? hetzner);
  }
}

async function prove(hetzner: Hetzner, closing: Closing, windows: readonly Window[]): Promise<Closed> {
  const { host } = closing;
  const servers = await serversOf(hetzner, closing, [...new Set(windows.flatMap(({ serverIds }) => serverIds))]);
  const firewalls = await allFirewalls(hetzner, "list the firewalls");
  const left = firewalls.filter((each) => {
    return isClosing(each, closing) && each.rules.some(({ direction }) => direction === "in");
  });
  const listed = left.map(({ id, name }) => `"${name}" (${id})`).join(", ");
  if (left.length > 0) {
    throw notClosed(host, `Hetzner reported the window closed, but still lists ${listed} with rules.`);
  }
  const openers = servers.flatMap((server) => openersOf(server, firewalls, closing));
  const ports: PortTries[] = [];
  // Do not wait if something else opens the port: it does not have to close.
  const patience = openers.length > 0 ? { tries: 1, settleSeconds: 0 } : {};
  const options = { ...patience, ...(closing.time && { signal: closing.time }) };
  for (const address of servers.flatMap(addressesOf)) {
    ports.push(await tryPort(address, closing.sshPort, options));
  }
  const tried = ports.filter(({ notTried }) => notTried === undefined);
  if (ports.length > 0 && tried.length === 0) {
    const reasons = ports.map(({ notTried }) => notTried).join("; ");
    throw notClosed(host, `TCP/22 could not be tried from here, so nothing shows that it is closed: ${reasons}.`);
  }
  if (openers.length === 0 && tried.some(({ closed }) => !closed)) {
    throw notClosed(host, `${portsInWords(ports)}, though Hetzner lists nothing that opens it.`);
  }
  return { windows: windows.filter(({ open }) => open).length, ports, openers };
}

/** Describes the connection attempts and, if a port still answers, what opens it. */
export function closedInWords({ ports, openers }: Closed): string {
  if (ports.length === 0) return "Hetzner has no server with this host's labels, so there was no port to try";
  const seen = portsInWords(ports);
  return openers.length === 0 ? seen : `${seen}; opened by ${openers.map(({ name }) => name).join(", ")}`;
}

/** e.g. `TCP/22 of 203.0.113.7 is refused (3 tries)` */
function portsInWords(ports: readonly PortTries[]): string {
  const tried = ports.filter(({ notTried }) => notTried === undefined);
  const each = tried.map(({ address, seen, closed }) => {
    return `TCP/22 of ${address} ${closed ? "is" : "STILL ANSWERS:"} ${triesInWords(seen)}`;
  });
  return each.join("; ");
}

function notClosed(host: string, what: string): UserError {
  const fix = "Check the server's firewalls in the Hetzner console now, and remove any rule that allows TCP/22.";
  return new UserError({ subject: host, problem: `NOT CLOSED. ${what}`, fix }, { exitCode: exitCodes.open });
}

type Server = Awaited<ReturnType<typeof allServers>>[number];
type Firewall = Awaited<ReturnType<typeof allFirewalls>>[number];

async function serversOf(hetzner: Hetzner, { host, serverId }: Closing, ofWindows: number[]): Promise<Server[]> {
  const ids = serverId === undefined ? ofWindows : [serverId];
  const servers = serverId === undefined ? await allServers(hetzner, `find the server ${host}`, selectorOf(host)) : [];
  for (const id of ids.filter((each) => !servers.some((server) => server.id === each))) {
    const server = await serverWith(hetzner, id);
    if (server) servers.push(server);
  }
  return servers;
}

/** @returns undefined if it has been deleted in the meantime: then nothing can answer */
async function serverWith(hetzner: Hetzner, id: number): Promise<Server | undefined> {
  try {
    const call = hetzner.GET("/servers/{id}", { params: { path: { id } } });
    return (await answerOf("read the server", call)).server;
  } catch (error) {
    if (error instanceof HetznerApiError && error.code === "not_found") return undefined;
    throw error;
  }
}

function openersOf({ public_net }: Server, firewalls: readonly Firewall[], closing: Closing): Opener[] {
  const bindings = public_net.firewalls ?? [];
  if (bindings.length === 0) return [{ name: "the lack of any firewall on the server", isOwn: false }];
  return firewalls
    .filter(({ id }) => bindings.some((binding) => binding.id === id))
    .filter((each) => !isClosing(each, closing) && each.rules.some((rule) => opensSsh(rule)))
    .map(({ id, name, labels }) => {
      return { name: `the firewall "${name}" (${id})`, isOwn: labels?.["clawdlets-host"] === closing.host };
    });
}

/** True if the firewall is one of the windows to close. */
function isClosing({ id, labels }: Firewall, { host, run, windows }: Closing): boolean {
  if (windows) return windows.some(({ firewallId }) => firewallId === id);
  return labels?.[windowLabel] === host && (run === undefined || labels[runLabel] === run);
}
