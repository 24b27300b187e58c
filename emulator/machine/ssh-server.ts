import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { AuthContext, Connection, PublicKeyAuthContext, ServerChannel } from "ssh2";
import ssh2 from "ssh2";
import { gatewayPort } from "./commands/operate.ts";
import { ROOT } from "./files/inode.ts";
import { type User, userNamed } from "./files/users.ts";
import { firstBootFolder, type Machine } from "./machine.ts";
import { runCommand } from "./shell.ts";
import { mayReadStdin } from "./stdin.ts";
import { type StoreRequest, serveStore, storeRequest } from "./store-server.ts";

/** The sshd of a machine as it is now: host key, users and keys come from its disk at the time of each connection. */
export function serveSsh(machine: Machine, socket: Socket): void {
  const hostKey = machine.tree.readFile(
    machine.awaitsIdentity ? `${firstBootFolder}/host_key` : "/etc/ssh/ssh_host_ed25519_key",
    ROOT,
  );
  const server = new ssh2.Server({ hostKeys: [hostKey], ident: "OpenSSH_10.0" }, (client) =>
    serveClient(machine, client),
  );
  machine.connected();
  socket.once("close", () => machine.disconnected());
  server.injectSocket(socket);
}

function serveClient(machine: Machine, client: Connection): void {
  let user: User | null = null;
  client.on("authentication", (context) => {
    const accepted = authenticate(machine, context);
    if (accepted === null) return context.reject(["publickey"]);
    user = accepted;
    context.accept();
  });
  client.on("session", (accept) => {
    const session = accept();
    session.on("pty", (acceptPty) => acceptPty?.());
    session.on("env", (acceptEnv) => acceptEnv?.());
    session.on("signal", (acceptSignal) => acceptSignal?.());
    session.on("exec", (acceptExec, _reject, info) => {
      if (user !== null) void execute(machine, user, info.command, acceptExec());
    });
    // Without a command: what is typed is run when the typing ends.
    session.on("shell", (acceptShell) => {
      if (user !== null) void execute(machine, user, "sh", acceptShell());
    });
  });
  // As on the real host, which allows nothing but local forwarding. Behind it, only a gateway answers.
  client.on("tcpip", (accept, reject, { destIP, destPort }) => {
    if (user === null || machine.os !== "nixos" || destIP !== "127.0.0.1" || destPort !== gatewayPort) return reject();
    const channel = accept();
    channel.on("error", ignoreBrokenConnection);
    channel.on("data", () => channel.end(simulatedPage));
  });
  client.on("error", ignoreBrokenConnection);
}

const simulatedPage =
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nsimulated control page\n";

/** Clients leave in the middle of things, and machines go down under them: neither is news. */
function ignoreBrokenConnection(_error: Error): void {
  return;
}

/** Stores that take over what they have received. The sender may already have gone on to the next command. */
const arriving = new WeakMap<Machine, Promise<unknown>>();

async function execute(machine: Machine, user: User, command: string, channel: ServerChannel): Promise<void> {
  const request = storeRequest(command);
  if (request !== null && machine.os !== "debian" && user.uid === 0) return serve(machine, request, channel);
  const stop = new AbortController();
  channel.on("close", () => stop.abort());
  channel.on("error", ignoreBrokenConnection);
  const input: Buffer[] = [];
  const ended = new Promise<void>((resolve) => {
    channel.on("data", (chunk: Buffer) => input.push(chunk));
    channel.on("end", resolve);
    channel.on("close", resolve);
  });
  if (mayReadStdin(command)) await ended;
  await arriving.get(machine);
  if (stop.signal.aborted) return;
  const stdin = Buffer.concat(input);
  const { tree, faults } = machine;
  machine.sessionStarted();
  try {
    const result = await runCommand({ machine, tree, user, command, stdin, signal: stop.signal, faults });
    if (stop.signal.aborted || channel.destroyed) return;
    if (result.stderr.length > 0) channel.stderr.write(result.stderr);
    if (result.stdout.length > 0) channel.write(result.stdout);
    channel.exit(result.exitCode);
    channel.end();
  } finally {
    machine.sessionEnded();
  }
}

async function serve(machine: Machine, request: StoreRequest, channel: ServerChannel): Promise<void> {
  channel.on("error", ignoreBrokenConnection);
  machine.sessionStarted();
  const { tree } = machine;
  const served = serveStore(request, tree, channel);
  channel.on("close", () => arriving.set(machine, served));
  try {
    const exitCode = await served;
    if (channel.destroyed) return;
    channel.exit(exitCode);
    channel.end();
  } finally {
    machine.sessionEnded();
  }
}

function authenticate(machine: Machine, context: AuthContext): User | null {
  if (context.method !== "publickey") return null;
  const user = loginUser(machine, context.username);
  if (user === null) return null;
  for (const line of authorizedKeys(machine, user)) {
    const key = ssh2.utils.parseKey(line);
    if (key instanceof Error || !key.getPublicSSH().equals(context.key.data)) continue;
    // Without a signature the client only asks whether the key would do.
    if (context.signature === undefined) return user;
    return isSigned(context, key) ? user : null;
  }
  return null;
}

function isSigned(context: PublicKeyAuthContext, key: ssh2.ParsedKey): boolean {
  if (context.signature === undefined || context.blob === undefined) return false;
  return key.verify(context.blob, context.signature, context.hashAlgo) === true;
}

/** Debian and the installer let root in; the installed host everyone but root. */
function loginUser(machine: Machine, name: string): User | null {
  if (machine.os === "nixos" && !machine.awaitsIdentity)
    return name === "root" ? null : userNamed(name, machine.normalUsers);
  return name === "root" ? userNamed(name, []) : null;
}

function authorizedKeys(machine: Machine, user: User): string[] {
  const nixos = machine.awaitsIdentity
    ? `${firstBootFolder}/authorized_keys`
    : `/etc/ssh/authorized_keys.d/${user.name}`;
  const path = machine.os === "nixos" ? nixos : "/root/.ssh/authorized_keys";
  const { node } = machine.tree.find(path, ROOT);
  if (node?.kind !== "file") return [];
  const lines = machine.tree.readFile(path, ROOT).toString().split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}
