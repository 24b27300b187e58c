import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Emulator, type EmulatorOptions, startEmulator } from "../../emulator/index.ts";

/** An emulator that checks every exchange against the API description, with a client and a folder for keys. */
export interface Lab {
  emulator: Emulator;
  dir: string;
  api: Api;
  stop(): Promise<void>;
}

export interface Answer {
  status: number;
  headers: Headers;
  // The tests look into answers of many shapes, and what is not there shows as a failed expectation.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  body: any;
}
export type Api = (method: string, path: string, body?: unknown) => Promise<Answer>;

export async function startLab(options: EmulatorOptions = {}): Promise<Lab> {
  const emulator = await startEmulator({ actionMs: 20, bootMs: 10, validate: true, ...options });
  const dir = await mkdtemp(join(tmpdir(), "clawdlets-test-"));
  return {
    emulator,
    dir,
    api: clientOf(emulator.endpoint, emulator.token),
    stop: async () => {
      await emulator.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function clientOf(endpoint: string, token: string | null): Api {
  return async (method, path, body) => {
    const url = path.startsWith("/_emulator/") ? new URL(path, endpoint) : `${endpoint}${path}`;
    const response = await fetch(url, {
      method,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
  };
}

/** Awaits a condition. @throws Error naming what was waited for */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 15): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain until ${what}`);
    await sleep(5);
  }
}

/** Does a request, and awaits the actions that it started. */
export async function done(lab: Lab, method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await lab.api(method, path, body);
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  const { action, actions, next_actions } = answer.body ?? {};
  const started = [action, ...(actions ?? []), ...(next_actions ?? [])].filter((item) => item != null);
  for (const { id } of started) {
    await until(
      `action ${id} ends`,
      async () => (await lab.api("GET", `/actions/${id}`)).body.action.status !== "running",
    );
  }
  return answer;
}

/** A server that answers ssh (as far as its firewalls let it), by name. */
export async function newServer(lab: Lab, name: string, more: Record<string, unknown> = {}) {
  const body = { name, server_type: "cx23", image: "debian-12", ...more };
  const { server } = (await done(lab, "POST", "/servers", body)).body;
  await until(`${name} is up`, () => reportOf(lab, server.id).isAnswering, 60);
  return { id: server.id as number, ipv4: server.public_net.ipv4?.ip as string };
}

export function reportOf(lab: Lab, serverId: number) {
  const found = lab.emulator.report().servers.find((server) => server.id === serverId);
  if (found === undefined) throw new Error(`no server ${serverId} in the report`);
  return found;
}

/** What happens to who connects: `open` is a greeting received, `refused` no listener, `reset` cut before a byte. */
export function knock(address: string, port: number, from = "127.0.0.1"): Promise<"open" | "refused" | "reset"> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: address, port, localAddress: from });
    socket.once("data", () => {
      socket.destroy();
      resolve("open");
    });
    socket.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "ECONNREFUSED" ? "refused" : "reset"),
    );
    socket.once("end", () => resolve("reset"));
  });
}

export interface KeyPair {
  file: string;
  privateKey: string;
  publicKey: string;
}

export async function newKey(lab: Lab, name: string): Promise<KeyPair> {
  const file = join(lab.dir, name);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file]);
  const publicKey = (await readFile(`${file}.pub`, "utf8")).trim();
  return { file, privateKey: await readFile(file, "utf8"), publicKey };
}

export function userDataWith(hostKey: KeyPair, ...clients: KeyPair[]): string {
  const config = {
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey },
    ssh_authorized_keys: clients.map((key) => key.publicKey),
  };
  // JSON is YAML.
  return `#cloud-config\n${JSON.stringify(config)}`;
}

export interface SshOutcome {
  status: number;
  stdout: Buffer;
  stderr: string;
}

/** The real ssh, which trusts `hostKey` and nothing else. */
export async function ssh(
  lab: Lab,
  to: { user: string; host: string; key: KeyPair; hostKey: KeyPair; input?: Buffer | string },
  command: string,
): Promise<SshOutcome> {
  const knownHosts = join(lab.dir, `known-${Math.random().toString(36).slice(2)}`);
  await writeFile(knownHosts, `[${to.host}]:${lab.emulator.sshPort} ${to.hostKey.publicKey}\n`);
  const options = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${knownHosts}`,
  ];
  const args = [
    "-F",
    "none",
    "-i",
    to.key.file,
    ...options.flatMap((option) => ["-o", option]),
    "-o",
    "LogLevel=ERROR",
  ];
  const child = spawn("ssh", [...args, "-p", String(lab.emulator.sshPort), `${to.user}@${to.host}`, command]);
  child.stdin.end(to.input ?? "");
  const out: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const status = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  return { status, stdout: Buffer.concat(out), stderr };
}
