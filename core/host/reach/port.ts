import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import { overlapCidr } from "cidr-tools";
import { hasCode, messageOf } from "../../base/errors.ts";
import { poll } from "../../base/wait-until.ts";
import { isClosed, type PortSeen, probePort } from "./probe.ts";

/** What connecting to one address of a server showed. */
export interface PortTries {
  address: string;
  version: 4 | 6;
  /** Each try, in order; the last ones count. Empty where it was not tried. */
  seen: PortSeen[];
  closed: boolean;
  /** Why there was nothing to try from here, a sentence. */
  notTried?: string;
}

export interface TryOptions {
  /** Closed this many times in a row is closed. @default 3 */
  tries?: number;
  /** One try; a filter that drops in silence takes all of it. @default 2000 */
  timeoutMs?: number;
  pauseMs?: number;
  /** How long a port that is still open may take to close: a rule is in force a moment after its action. @default 15 */
  settleSeconds?: number;
  /** Ends the waiting; what was seen until then counts. */
  signal?: AbortSignal;
}

/**
 * Connects again and again until the port was closed several times in a row, or the time is up. One closed try proves
 * nothing: a packet may have been lost.
 */
export async function tryPort(address: string, port: number, options: TryOptions = {}): Promise<PortTries> {
  const { tries = 3, timeoutMs = 2000, pauseMs = 200, settleSeconds = 15, signal } = options;
  const version = isIP(address) === 6 ? 6 : 4;
  const reason = await noWayTo(address, version);
  if (reason !== undefined) return { address, version, seen: [], closed: false, notTried: reason };
  const seen: PortSeen[] = [];
  const deadline = performance.now() + settleSeconds * 1000;
  const connect = async () => {
    seen.push(await probePort(address, port, { timeoutMs }));
    const last = seen.slice(-tries);
    if (last.length === tries && last.every(isClosed)) return { closed: true };
    const isOver = signal?.aborted || (seen.length >= tries && performance.now() >= deadline);
    return isOver ? { closed: false } : undefined;
  };
  const result = await poll(connect, { seconds: Number.POSITIVE_INFINITY, pauseMs });
  return { address, version, seen, closed: result?.closed === true };
}

/** An address nobody can be at (RFC 3849): connecting would only send packets astray. */
const documentation = "2001:db8::/32";

/** "Closed" seen from a machine without a route is no proof: it would be seen of any port. */
async function noWayTo(address: string, version: 4 | 6): Promise<string | undefined> {
  if (version === 6 && overlapCidr(address, documentation)) {
    return `${address} is of the documentation prefix ${documentation}, as an emulated server's`;
  }
  const socket = createSocket(version === 6 ? "udp6" : "udp4");
  try {
    // Asks the kernel for a route; UDP sends nothing to connect.
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      // Without a callback: that one would be handed the error, and nothing would be emitted.
      socket.once("connect", resolve);
      socket.connect(22, address);
    });
    return undefined;
  } catch (error) {
    if (!hasCode(error, "ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EHOSTUNREACH")) throw error;
    return `this machine has no IPv${version} route to ${address} (${messageOf(error)})`;
  } finally {
    socket.close();
  }
}
