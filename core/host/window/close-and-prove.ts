import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allFirewalls, allServers } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { opensSsh } from "../../project/firewall/opens-ssh.ts";
import { type PortTries, tryPort } from "../reach/port.ts";
import { closeWindows, findWindows, runLabel, type Window, windowLabel } from "./window.ts";

/** Seconds that closing may take: in all, and from the moment at which somebody wants this process to end. */
const limits = { close: 30, stopped: 10 };

/**
 * Aborted when closing has taken too long: a guard then goes on with it, or a person is told. Ctrl-C and SIGTERM do not abort
 * it at once, since closing is what has to happen before the process ends.
 */
export function closingTime(host: string, stop?: AbortSignal): AbortSignal {
  const over = new AbortController();
  const giveUpAfter = (seconds: number) => {
    const reason = new UserError(`Closing TCP/22 of ${host} took longer than ${seconds} s.`, {
      exitCode: exitCodes.open,
    });
    setTimeout(() => over.abort(reason), seconds * 1000).unref();
  };
  giveUpAfter(limits.close);
  if (stop?.aborted) giveUpAfter(limits.stopped);
  else stop?.addEventListener("abort", () => giveUpAfter(limits.stopped), { once: true });
  return over.signal;
}

/** A client whose requests all end within {@link closingTime}. Tries often enough for a busy firewall, and then says why not. */
export function closingClient(access: { endpoint: string; token: string }, time: AbortSignal): Hetzner {
  const { endpoint, token } = access;
  return createHetzner({ endpoint, token, signal: time, limits: { attempts: 6, maxWaitSeconds: 5, trySeconds: 8 } });
}

export interface Closing {
  host: string;
  /** Closes the windows of this run alone. @default every window of the host */
  run?: string;
  /** Closes these alone, of the host. @default those that Hetzner lists */
  windows?: readonly Window[];
  /** The server behind the windows. @default the servers that the windows are on, and those with the host's labels */
  serverId?: number;
  sshPort: number;
  /** Of {@link closingTime}: ends waiting for a port that still answers. */
  time?: AbortSignal;
}

export interface Closed {
  /** Windows that had rules. */
  windows: number;
  /** What connecting to TCP/22 showed afterwards, for each address; empty where Hetzner has no server of this host. */
  ports: PortTries[];
  /** What else lets somebody reach TCP/22, by Hetzner's word. Only then may a port answer. */
  openers: Opener[];
}

export interface Opener {
  /** e.g. `the firewall "web-1-fw" (12)` */
  name: string;
  /** Whether it carries the host's labels, and so is what the stack declares or once declared. */
  isOwn: boolean;
}

/**
 * Closes the windows of a host and then tries to connect. "Closed" is a failed connection attempt, never the API's word: a
 * proxy may answer success and do nothing. Depends on nothing but the API.
 * @throws UserError when Hetzner did not close one, still lists one with rules, or TCP/22 answers and no other rule says why
 */
export async function closeAndProve(hetzner: Hetzner, closing: Closing): Promise<Closed> {
  const { host, run } = closing;
  const windows = closing.windows ?? (await findWindows(hetzner, host, run));
  await closeWindows(hetzner, windows);
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
  // A port that something else opens need not close, so nothing is waited for.
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

/** What connecting showed, and why a port still answers where one does. */
export function closedInWords({ ports, openers }: Closed): string {
  if (ports.length === 0) return "Hetzner has no server with this host's labels, so there was no port to try";
  const seen = portsInWords(ports);
  return openers.length === 0 ? seen : `${seen}; opened by ${openers.map(({ name }) => name).join(", ")}`;
}

/** e.g. `TCP/22 of 203.0.113.7 is refused, refused, refused` */
function portsInWords(ports: readonly PortTries[]): string {
  const tried = ports.filter(({ notTried }) => notTried === undefined);
  const each = tried.map(({ address, seen, closed }) => {
    return `TCP/22 of ${address} ${closed ? "is" : "STILL ANSWERS:"} ${seen.slice(-3).join(", ")}`;
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

/** Undefined for one that was deleted meanwhile: nothing of it can answer. */
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

/** Whether a firewall is one of the windows that are to be closed. */
function isClosing({ id, labels }: Firewall, { host, run, windows }: Closing): boolean {
  if (windows) return windows.some(({ firewallId }) => firewallId === id);
  return labels?.[windowLabel] === host && (run === undefined || labels[runLabel] === run);
}
