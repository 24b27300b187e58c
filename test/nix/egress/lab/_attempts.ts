import { expect } from "vitest";
import type { Command } from "./_agent.ts";
import type { Lab, Who } from "./_lab.ts";
import * as world from "./_world.ts";

export interface Attempt {
  name: string;
  who: Who;
  command: Command;
  /** The server that answers, as `Wire` writes it; null where the policy refuses. */
  reaches: string | null;
  /** All that arrives anywhere. Without it: at `reaches` and nowhere else. */
  arrives?: string[];
}

export const get = "GET / HTTP/1.0\r\n\r\n";

export const tcp = (host: string, port: number, send: string[] = [get]): Command => ({ kind: "tcp", host, port, send });
export const udp = (host: string, port: number, send = "x"): Command => ({ kind: "udp", host, port, send });
export const run = (...command: [string, ...string[]]): Command => ({ kind: "run", command });
export const ping = (host: string) => run("ping", "-c", "1", "-W", "0.2", host);
/** Sockets that Node does not know: `s` is to be made and used. */
export const python = (lines: string) =>
  run("/usr/bin/python3", "-c", `from socket import *\n${lines}\ns.settimeout(2)\nprint(s.recv(4096))`);

/** Bytes to the proxy; a further part when the one before was answered with 200. */
export const toProxy = (...send: string[]) => tcp("127.0.0.1", world.proxyPort, send);
/** `CONNECT target`, then a request through the tunnel. */
export const through = (target: string, headers: string[] = [`Host: ${target}`], version = "1.1") =>
  toProxy(`CONNECT ${target} HTTP/${version}\r\n${[...headers, "", ""].join("\r\n")}`, get);
/** A question for TXT of this name, as a DNS tunnel would ask it. */
export function question(name: string): string {
  const labels = name.split(".").map((label) => String.fromCharCode(label.length) + label);
  return `\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00${labels.join("")}\x00\x00\x10\x00\x01`;
}

export const allowed = (name: string, who: Who, command: Command, reaches: string, arrives?: string[]): Attempt => ({
  ...{ name, who, command, reaches },
  ...(arrives && { arrives }),
});
export const refused = (name: string, who: Who, command: Command, arrives?: string[]): Attempt => ({
  ...{ name, who, command, reaches: null },
  ...(arrives && { arrives }),
});

/** Does it and compares: who answered, and what arrived where. */
export async function judge(lab: Lab, { who, command, reaches, arrives }: Attempt): Promise<void> {
  const { answer, reached, arrived } = await lab.attempt(who, command);
  expect({ answeredBy: reached ? answeredBy(answer.text) : null, arrived }, JSON.stringify(answer)).toEqual({
    answeredBy: reaches === null ? null : reaches.split(" ").slice(-2).join(" "),
    arrived: (arrives ?? (reaches === null ? [] : [reaches])).toSorted(),
  });
}

function answeredBy(text: string): string | undefined {
  const [, echo] = /bytes from ([0-9a-f.:]*[0-9a-f])/.exec(text) ?? [];
  return echo === undefined
    ? /served-by (\S+ \d+)/.exec(text)?.[1]
    : `${echo.includes(":") ? "ipv6-icmp" : "icmp"} ${echo}`;
}

export const summary = (attempts: Attempt[]) => {
  const open = attempts.filter(({ reaches }) => reaches !== null).length;
  return `${attempts.length} attempts: ${open} allowed, ${attempts.length - open} refused`;
};
