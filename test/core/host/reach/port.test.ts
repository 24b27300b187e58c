import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { execa } from "execa";
import { afterEach, describe, expect, it } from "vitest";
import { tryPort } from "../../../../core/host/reach/port.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(address: string, onListening: (server: Server) => void = () => undefined): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end("SSH-2.0-x\r\n");
    onListening(server);
  });
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, address, resolve);
  });
  const bound = server.address();
  return typeof bound === "object" && bound ? bound.port : 0;
}

async function closedPort(address: string): Promise<number> {
  const port = await listen(address);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  return port;
}

const quick = { pauseMs: 1, settleSeconds: 0 };

// A container without IPv6 shows the half that it has, and that the other was left out.
const families = [
  ["IPv4", "127.0.0.1", 4],
  ["IPv6", "::1", 6],
] as const;
const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
it.skipIf(addresses.includes("::1"))("IPv6 is left out: this machine has no ::1", () =>
  expect(addresses).not.toContain("::1"),
);

describe.each(families.filter(([, address]) => addresses.includes(address)))(
  "TCP/22 over %s",
  (_, address, version) => {
    it("is closed when every try is refused", async () => {
      const port = await closedPort(address);
      expect(await tryPort(address, port, quick)).toEqual({
        address,
        version,
        seen: ["refused", "refused", "refused"],
        closed: true,
      });
    });

    it("is open when a try is answered", async () => {
      const seen = await tryPort(address, await listen(address), quick);
      expect(seen).toMatchObject({ closed: false, seen: ["open", "open", "open"] });
    });

    it("is closed only after it was so several times in a row", async () => {
      const port = await listen(address, (server) => server.close());
      const { closed, seen } = await tryPort(address, port, { pauseMs: 1, settleSeconds: 10 });
      expect([closed, seen]).toEqual([true, ["open", "refused", "refused", "refused"]]);
    });
  },
);

describe("an address that cannot be tried from here", () => {
  it("is said, and is not closed: any port would look so", async () => {
    // Not global unicast, and routed nowhere.
    const seen = await tryPort("2001:db8:7::1", 22, quick);
    expect(seen).toMatchObject({ closed: false, seen: [], notTried: expect.stringContaining("documentation prefix") });
  });

  it.each(["203.0.113.1", "2606:4700::1111"])("has no route to %s when the kernel says so", async (address) => {
    // A network namespace of its own has no route at all, and nothing leaves it.
    const code = `import("./core/host/reach/port.ts").then(async ({ tryPort }) => console.log(JSON.stringify(await tryPort("${address}", 22))))`;
    const node = [process.execPath, "--import", "tsx", "--eval", code];
    const { stdout } = await execa("unshare", ["--map-root-user", "--net", ...node]);
    expect(JSON.parse(stdout)).toMatchObject({
      seen: [],
      closed: false,
      notTried: expect.stringMatching(/no IPv[46] route/),
    });
  });
});
