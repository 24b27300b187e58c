import { connect } from "node:net";

/**
 * What a connection attempt to an ssh port showed.
 * - `open`: an ssh server greeted us.
 * - `accepting`: the connection came about, but no greeting within the time: something listens. Counts as not closed.
 * - `refused`, `silent` (dropped), `unreachable`: no connection came about.
 * - `reset`: accepted and cut before a byte: a filter in user space, such as the emulator's or fail2ban's.
 */
export type PortSeen = "open" | "accepting" | "refused" | "silent" | "unreachable" | "reset";

export interface ProbeOptions {
  timeoutMs: number;
  /** Source address, for looking from somewhere else. */
  localAddress?: string;
}

/** Connects once and says what happened. Never throws for what the network does. */
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

/** Closed only when no connection came about at all: a filter that first accepts has not closed the port. */
export function isClosed(seen: PortSeen): boolean {
  return seen === "refused" || seen === "silent" || seen === "unreachable";
}
