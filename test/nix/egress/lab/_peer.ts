/**
 * Started in a namespace: servers at every given address and port, that say at which address they were reached. HTTP, and TLS
 * where the client begins with it, on every TCP port; an echo of the address on UDP.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer, isIPv6, type Socket } from "node:net";
import { served } from "./_world.ts";

export interface PeerOptions {
  addresses: string[];
  tcp: number[];
  udp: number[];
  keyFile: string;
  certFile: string;
}

const at = ({ localAddress, localPort }: Socket) => `${served} ${localAddress} ${localPort}\n`;

const answer: RequestListener = (request, response) => {
  const { searchParams } = new URL(request.url ?? "/", "http://peer");
  const location = searchParams.get("to");
  if (location !== null) response.writeHead(302, { location });
  response.end(location === null ? at(request.socket) : "");
};

const { addresses, tcp, udp, keyFile, certFile } = JSON.parse(process.argv[2] ?? "{}") as PeerOptions;
const http = createHttpServer(answer);
const https = createHttpsServer({ key: readFileSync(keyFile), cert: readFileSync(certFile) }, answer);
const isTlsHello = (byte: number | undefined) => byte === 0x16;
const accept = (socket: Socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", (first) => {
    socket.pause();
    socket.unshift(first);
    if (isTlsHello(first[0])) {
      https.emit("connection", socket); // Picks up the bytes that were already read, while the socket is paused.
    } else {
      http.emit("connection", socket);
      socket.resume();
    }
  });
};
for (const host of addresses) {
  for (const port of tcp) await once(createServer(accept).listen({ host, port }), "listening");
  for (const port of udp) {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.on("message", (_, from) => socket.send(`${served} ${host} ${port}`, from.port, from.address));
    await once(socket.bind({ address: host, port }), "listening");
  }
}
process.stdin.resume().on("end", () => process.exit()); // The test is gone, however it ended.
process.stdout.write("ready\n");
