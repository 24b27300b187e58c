import { createServer, type Server } from "node:net";

// Servers of two emulators have the same addresses, so their ports must differ. Each emulator holds its port on this one
// address for as long as it runs, and the kernel gives a port there to one of them only.
const RESERVATION_ADDRESS = "127.127.127.127";

export interface ReservedPort {
  port: number;
  release(): Promise<void>;
}

/** @param wanted the port of an earlier run, taken again if it is free; 0 for any. */
export async function reservePort(wanted: number): Promise<ReservedPort> {
  const server = (await tryListen(wanted)) ?? (await tryListen(0));
  const address = server?.address();
  if (server === null || address === null || typeof address !== "object") {
    throw new Error("no free port for the servers' ssh could be found on the loopback interface");
  }
  return {
    port: address?.port ?? 0,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function tryListen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(null));
    server.listen({ host: RESERVATION_ADDRESS, port }, () => resolve(server));
  });
}
