import { type ChildProcess, spawn } from "node:child_process";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** Opens each connection from a separate process, in another network namespace. */
const connect = `import os, selectors, socket, sys
s = socket.create_connection((sys.argv[1], 22), 5)
s.settimeout(None)
w = selectors.DefaultSelector()
w.register(0, 1, 1); w.register(s, 1, 0)
while True:
    for key, _ in w.select():
        data = os.read(key.fd, 65536)
        if not data: sys.exit()
        if key.data: s.sendall(data)
        else: os.write(1, data)
`;

/** A loopback port that forwards to port 22 of an address in another network namespace, and that can be cut. */
export class Relay {
  readonly #server = createServer((socket) => this.#lead(socket));
  readonly #open = new Set<{ socket: Socket; child: ChildProcess }>();
  readonly #into: () => string[];
  readonly #address: string;
  #isCut = false;

  /** @param into words that run a command in that namespace */
  constructor(into: () => string[], address: string) {
    this.#into = into;
    this.#address = address;
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** Ends all connections and refuses new ones, until {@link restore}. */
  cut(): void {
    this.#isCut = true;
    for (const { socket, child } of this.#open) {
      socket.destroy();
      child.kill("SIGKILL");
    }
  }

  restore(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #lead(socket: Socket): void {
    if (this.#isCut) {
      socket.destroy();
      return;
    }
    const [command = "", ...words] = [...this.#into(), "python3", "-IS", "-c", connect, this.#address];
    const child = spawn(command, words, { stdio: ["pipe", "pipe", "ignore"] });
    const one = { socket, child };
    this.#open.add(one);
    const end = () => {
      this.#open.delete(one);
      socket.destroy();
      child.kill("SIGKILL");
    };
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
    child.stdin.on("error", end);
    socket.on("error", end).on("close", end);
    child.on("exit", end).on("error", end);
  }
}
