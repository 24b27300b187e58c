import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { repository } from "../../../_repository.ts";
import { printed } from "../../egress/lab/_netns.ts";
import { controlAddress } from "../_control.ts";
import type { TailnetLab } from "../_lab.ts";

const port = 8443;

/**
 * The lab's control server for programs outside of its namespaces, at an address of the loopback interface, under its own name and
 * certificate. It hands every request on and counts it. Only clawdlets comes this way: tailscaled has the control server itself.
 */
export class ApiDoor {
  /** Every request with what came of it, such as `GET node 200`, in order. An id is written as `ID`. */
  readonly requests: string[] = [];
  /** To be mounted over /etc/hosts: the control server's name leads here. */
  readonly hostsFile: string;
  readonly #ca: Buffer;
  readonly #socket: string;
  readonly #onMinted: (key: string) => Promise<void>;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(lab: TailnetLab, onMinted: (key: string) => Promise<void>) {
    this.#onMinted = onMinted;
    this.#socket = join(lab.folder, "control.pipe");
    this.hostsFile = join(lab.folder, "hosts");
    const [ca, cert, key] = ["ca.pem", "control.pem", "control.key"].map((file) =>
      readFileSync(join(lab.folder, file)),
    );
    this.#ca = ca as Buffer;
    this.#server = createServer({ cert, key }, (asked, answer) => void this.#handOn(asked, answer));
  }

  /** @param onMinted gets each minted key, before it is answered */
  static async start(lab: TailnetLab, onMinted: (key: string) => Promise<void>): Promise<ApiDoor> {
    const door = new ApiDoor(lab, onMinted);
    const args = ["--import", join(repository, "bin/typescript.mjs"), join(import.meta.dirname, "_pipe.ts")];
    await printed(lab.net.start("control", "node", [...args, door.#socket, controlAddress, String(port)]), "ready");
    // An address of this run alone: the port is the one in the control server's URL.
    const address = `127.66.${(process.pid >> 8) & 255}.${process.pid & 255}`;
    await new Promise<void>((resolve, reject) => {
      door.#server.once("error", reject).listen(port, address, resolve);
    });
    writeFileSync(door.hostsFile, `127.0.0.1 localhost\n${address} control.test\n`);
    return door;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handOn(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = asked;
    const what = `${method} ${url.replace(/^\/api\/v1\//, "").replace(/\/\d+/, "/ID")}`;
    try {
      const response = await this.#ask(asked, await buffer(asked));
      const body = await buffer(response);
      const { statusCode = 0, headers } = response;
      if (what === "POST preauthkey" && statusCode === 200) await this.#onMinted(mintedIn(body));
      this.requests.push(`${what} ${statusCode}`);
      answer.writeHead(statusCode, { "content-type": headers["content-type"] ?? "application/json" }).end(body);
    } catch (error) {
      this.requests.push(`${what} unanswered: ${error}`);
      asked.socket.destroy();
    }
  }

  #ask({ method, url, headers }: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const pipe = connect(this.#socket).once("error", reject);
      const createConnection = () => connectTls({ socket: pipe, servername: "control.test", ca: this.#ca });
      request({ method, path: url, headers: { ...headers, connection: "close" }, createConnection }, resolve)
        .once("error", reject)
        .end(body);
    });
  }
}

const mintedIn = (text: Buffer) => (JSON.parse(text.toString()) as { preAuthKey: { key: string } }).preAuthKey.key;
