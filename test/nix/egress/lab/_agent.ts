/**
 * Started in a namespace: becomes the user whose number it is given, then does what it is told on standard input, one JSON
 * command a line, so that every packet is really that user's.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, isIPv6 } from "node:net";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { served } from "./_world.ts";

export type Command =
  /** Sends each part when the one before was answered. Bytes as latin1. */
  | { kind: "tcp"; host: string; port: number; send: string[] }
  | { kind: "udp"; host: string; port: number; send: string }
  /** Listens on 127.0.0.1 as this user from now on, and answers as a server of `_peer.ts`. */
  | { kind: "listen"; port: number }
  | { kind: "run"; command: [string, ...string[]]; env?: Record<string, string> };

export interface Answer {
  text: string;
  error?: string;
}

const waitMilliseconds = 2_000;

function tcp({ host, port, send }: Extract<Command, { kind: "tcp" }>): Promise<Answer> {
  return new Promise((resolve) => {
    const parts = [...send];
    let text = "";
    const socket = connect({ host, port });
    const end = (error?: string) => {
      socket.destroy();
      resolve(error === undefined ? { text } : { text, error });
    };
    const next = () => {
      const part = parts.shift();
      if (part !== undefined) socket.write(part, "latin1");
    };
    socket.setTimeout(waitMilliseconds, () => end("no answer"));
    socket.on("connect", next);
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (text.includes(served)) end();
      else if (/^HTTP\/1\.[01] 200 /.test(text)) next();
    });
    socket.on("end", () => end());
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

function udp({ host, port, send }: Extract<Command, { kind: "udp" }>): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    const end = (answer: Answer) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => end({ text: "", error: "no answer" }), waitMilliseconds);
    socket.on("message", (data) => end({ text: data.toString("latin1") }));
    socket.on("error", (error: NodeJS.ErrnoException) => end({ text: "", error: error.code ?? error.message }));
    // Connected, so that a refusal by the kernel comes back as an error instead of as silence.
    socket.connect(port, host, () => socket.send(Buffer.from(send, "latin1")));
  });
}

async function run({ command: [program, ...args], env }: Extract<Command, { kind: "run" }>): Promise<Answer> {
  const options = { reject: false, all: true, timeout: waitMilliseconds * 2, env: env ?? {}, cwd: "/" } as const;
  const { all, exitCode } = await execa(program, args, options);
  return exitCode === 0 ? { text: all } : { text: all, error: `exit ${exitCode}` };
}

async function listen({ port }: Extract<Command, { kind: "listen" }>): Promise<Answer> {
  const server = createServer((socket) => socket.end(`${served} 127.0.0.1 ${port}\n`));
  await once(server.listen({ host: "127.0.0.1", port }), "listening");
  return { text: "" };
}

function perform(command: Command): Promise<Answer> {
  switch (command.kind) {
    case "tcp":
      return tcp(command);
    case "udp":
      return udp(command);
    case "listen":
      return listen(command);
    case "run":
      return run(command);
  }
}

const uid = Number(process.argv[2]);
if (uid !== 0) {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
}
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await perform(JSON.parse(line) as Command))}\n`);
}
