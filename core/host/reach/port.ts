import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import { overlapCidr } from "cidr-tools";
import { hasCode, messageOf } from "../../base/errors.ts";
import { poll } from "../../base/wait-until.ts";
import { isClosed, type PortSeen, probePort } from "./probe.ts";

/** Results of connecting to one address of a server. */
export interface PortTries {
  address: string;
  version: 4 | 6;
  /** Result of each try, in order; the last ones count. Empty if there was no try. */
  seen: PortSeen[];
  closed: boolean;
  /** Why no try was possible from this machine, a sentence. */
  notTried?: string;
}

/** The tries that count, e.g. `refused (3 tries)`, or `refused, open, open` if they differ. */
export function triesInWords(seen: readonly PortSeen[]): string {
  const last = seen.slice(-3);
  const [first = "not tried"] = last;
  const isSame = last.length > 1 && last.every((each) => each === first);
  return isSame ? `${first} (${last.length} tries)` : last.join(", ");
}

export interface TryOptions {
  /** Number of consecutive failed tries that count as closed. @default 3 */
  tries?: number;
  /** Time limit of one try; a filter that drops packets silently uses all of it. @default 2000 */
  timeoutMs?: number;
  pauseMs?: number;
  /** How long to wait for an open port to close: a rule takes effect a moment after its action. @default 15 */
  settleSeconds?: number;
  /** Stops waiting; the tries until then count. */
  signal?: AbortSignal;
}

/**
 * Connects repeatedly until several tries in a row fail, or the time is up. A single failed try proves nothing: a packet may
 * have been lost.
 */
export async function tryPort(address: string, port: number, options: TryOptions = {}): Promise<PortTries> {
  const { tries = 3, timeoutMs = 2000, pauseMs = 200, settleSeconds = 15, signal } = options;
  const version = isIP(address) === 6 ? 6 : 4;
  const reason = await noRouteTo(address);
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

/** Documentation prefix (RFC 3849): no host can have such an address. */
const documentation = "2001:db8::/32";

/** Why an address cannot be tried: without a route every port looks closed, which proves nothing. Sends no packet. */
export async function noRouteTo(address: string): Promise<string | undefined> {
  const version = isIP(address) === 6 ? 6 : 4;
  if (version === 6 && overlapCidr(address, documentation)) {
    return `${address} is in the documentation prefix ${documentation}, as are the addresses of emulated servers`;
  }
  const socket = createSocket(version === 6 ? "udp6" : "udp4");
  try {
    // Asks the kernel for a route: connecting a UDP socket sends no packet.
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      // No callback for connect(): it would receive the error, and no "error" event would be emitted.
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
