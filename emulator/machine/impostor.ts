import type { Socket } from "node:net";
import ssh2 from "ssh2";
import { newKeyPair } from "./key-pair.ts";

/** What a machine in the middle saw: a careful client leaves all but the first at 0. */
export interface ImpostorLog {
  connections: number;
  authentications: number;
  commands: number;
  bytesReceived: number;
}

/** Answers at a server's address with a host key of its own, lets everybody in, and takes whatever it is given. */
export class Impostor {
  readonly log: ImpostorLog = { connections: 0, authentications: 0, commands: 0, bytesReceived: 0 };
  readonly #hostKey = newKeyPair().private;

  serve(socket: Socket): void {
    this.log.connections += 1;
    const server = new ssh2.Server({ hostKeys: [this.#hostKey], ident: "OpenSSH_10.0" }, (client) => {
      client.on("authentication", (context) => {
        // `none` is how every client asks what is on offer; it says nothing about trust.
        if (context.method === "none") return context.reject(["publickey"]);
        this.log.authentications += 1;
        context.accept();
      });
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec) => {
          this.log.commands += 1;
          const channel = acceptExec();
          channel.on("data", (chunk: Buffer) => {
            this.log.bytesReceived += chunk.length;
          });
          channel.on("end", () => {
            channel.exit(0);
            channel.end();
          });
        });
      });
      client.on("error", (error: Error) => socket.destroy(error));
    });
    server.injectSocket(socket);
  }
}
