import { createServer, type Server, type Socket } from "node:net";

type OnConnection = (socket: Socket) => void;

/**
 * Listens on many addresses at one port. An address that nobody may reach has no listener at all, so that connecting to
 * it is refused by the kernel, as with a real firewall that drops and a caller that cannot tell why.
 */
export class Forwarder {
  readonly #port: number;
  readonly #listeners = new Map<string, Server>();

  constructor(port: number) {
    this.#port = port;
  }

  open(address: string, onConnection: OnConnection): void {
    if (this.#listeners.has(address)) return;
    // As sshd sets it: without it every answer of a handshake waits for a delayed acknowledgement, 40 ms each, seven a login.
    const server = createServer({ noDelay: true }, onConnection);
    this.#listeners.set(address, server);
    server.on("error", (error) => {
      this.#listeners.delete(address);
      process.stderr.write(`emulator: cannot listen on ${address}:${this.#port}: ${error.message}\n`);
    });
    server.listen({ host: address, port: this.#port });
  }

  /** Established connections stay: closing a door does not throw out who is in. */
  close(address: string): void {
    this.#listeners.get(address)?.close();
    this.#listeners.delete(address);
  }

  closeAll(): void {
    for (const address of [...this.#listeners.keys()]) this.close(address);
  }
}
