import { createServer, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { answerOf, createHetzner } from "../../../../core/base/hetzner/client.ts";

let server: Server | undefined;
afterEach(() => void server?.close());

interface Reply {
  status: number;
  code?: string;
  headers?: Record<string, string>;
}

/** A server that gives these answers in turn, then 200; with how many requests it got. */
async function answering(replies: (Reply | "reset")[]) {
  const seen = { requests: 0 };
  server = createServer((request, response) => {
    seen.requests++;
    const reply = replies.shift() ?? { status: 200 };
    if (reply === "reset") return void request.socket.destroy();
    response.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
    response.end(
      JSON.stringify(reply.code ? { error: { code: reply.code, message: "no" } } : { servers: [], action: null }),
    );
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const limits = { attempts: 4, maxWaitSeconds: 0.01 };
  return { seen, hetzner: createHetzner({ endpoint: `http://127.0.0.1:${port}/v1`, token: "canary-token", limits }) };
}

const create = { params: {}, body: { name: "x", server_type: "cx43", image: "debian-12" } };

describe("a request to Hetzner", () => {
  it.each<[string, Reply]>([
    ["429", { status: 429, code: "rate_limit_exceeded" }],
    ["429 without a JSON code", { status: 429 }],
    ["423 locked", { status: 423, code: "locked" }],
    ["409 conflict", { status: 409, code: "conflict" }],
    ["503 unavailable", { status: 503, code: "unavailable" }],
    ["502 from a proxy", { status: 502 }],
    ["504 timeout", { status: 504, code: "timeout" }],
  ])("is sent again after %s", async (_, reply) => {
    const { seen, hetzner } = await answering([reply, reply]);
    await answerOf("list", hetzner.GET("/servers"));
    expect(seen.requests).toBe(3);
  });

  it.each<[string, Reply]>([
    ["423 protected", { status: 423, code: "protected" }],
    ["409 uniqueness_error", { status: 409, code: "uniqueness_error" }],
    ["401", { status: 401, code: "unauthorized" }],
    ["422", { status: 422, code: "invalid_input" }],
    ["500", { status: 500, code: "server_error" }],
  ])("is sent once when the answer is %s", async (_, reply) => {
    const { seen, hetzner } = await answering([reply]);
    await expect(answerOf("list", hetzner.GET("/servers"))).rejects.toMatchObject({
      status: reply.status,
      code: reply.code,
    });
    expect(seen.requests).toBe(1);
  });

  it("gives up after its last try and says what Hetzner said", async () => {
    const { seen, hetzner } = await answering(Array<Reply>(9).fill({ status: 423, code: "locked" }));
    await expect(answerOf("close it", hetzner.GET("/servers"))).rejects.toThrow(
      /Hetzner refused to close it: no \(locked, HTTP 423\)/,
    );
    expect(seen.requests).toBe(4);
  });

  it("is sent again after a lost connection when it reads", async () => {
    const { seen, hetzner } = await answering(["reset"]);
    await answerOf("list", hetzner.GET("/servers"));
    expect(seen.requests).toBe(2);
  });

  it("is not sent again after a lost connection when it creates: that could buy a second server", async () => {
    const { seen, hetzner } = await answering(["reset"]);
    await expect(answerOf("create", hetzner.POST("/servers", create as never))).rejects.toThrow(/did not answer/);
    expect(seen.requests).toBe(1);
  });

  it("never shows the token in an error", async () => {
    const { hetzner } = await answering([{ status: 401, code: "unauthorized" }]);
    const error: unknown = await answerOf("list", hetzner.GET("/servers")).catch((caught: unknown) => caught);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("canary-token");
  });
});
