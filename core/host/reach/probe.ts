import { connect } from "node:net";

/**
 * Result of a connection attempt to an ssh port.
 * - `open`: an ssh server sent its banner.
 * - `accepting`: connected, but no banner in time: something listens. Counts as not closed.
 * - `refused`, `silent` (dropped), `unreachable`: no connection.
 * - `reset`: accepted, then cut before the first byte: a filter in user space, such as the emulator's. Counts as not closed.
 */
export type PortSeen = "open" | "accepting" | "refused" | "silent" | "unreachable" | "reset";

export interface ProbeOptions {
  timeoutMs: number;
  /** Source address, to probe from another network. */
  localAddress?: string;
}

/** Connects once. Network errors are results; it never throws for them. */
export function probePort(host: string, port: number, { timeoutMs, localAddress }: ProbeOptions): Promise<PortSeen> {
  return new Promise((resolve) => {
    let connected = false;
    const socket = connect({ host, port, ...(localAddress !== undefined && { localAddress }) });
    const done = (seen: PortSeen) => {
      socket.destroy();
      resolve(seen);
    };
    socket.setTimeout(timeoutMs, () => done(connected ? "accepting" : "silent"));
    socket.on("connect", () => {
      connected = true;
    });
    socket.on("data", (bytes) => done(bytes.toString("latin1").startsWith("SSH-") ? "open" : "accepting"));
    socket.on("end", () => done("reset"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (connected) done("reset");
      else done(error.code === "ECONNREFUSED" ? "refused" : "unreachable");
    });
  });
}

/** True only if there was no connection at all: a filter that accepts first has not closed the port. */
export function isClosed(seen: PortSeen): boolean {
  return seen === "refused" || seen === "silent" || seen === "unreachable";
}
