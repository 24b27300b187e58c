import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { vi } from "vitest";

export interface Bucket {
  endpoint: string;
  /** What the engine needs to be let in. */
  env: Record<string, string>;
  /** Folder with one file an object. */
  folder: string;
  close: () => Promise<void>;
}

/** An S3 server with one bucket, on this machine. @param versitygw path of the gateway, which keeps objects as files */
export async function startBucket(versitygw: string, parent: string, name: string): Promise<Bucket> {
  const folder = join(parent, "s3", name);
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const keys = { ROOT_ACCESS_KEY: "example", ROOT_SECRET_KEY: "example-secret-key" };
  const args = ["--port", `127.0.0.1:${port}`, "--region", "nbg1", "posix", join(parent, "s3")];
  const server = execa(versitygw, args, { env: keys, extendEnv: false, reject: false, all: true });
  const endpoint = `http://127.0.0.1:${port}`;
  // Refused without a key, but answered.
  await vi.waitFor(async () => (await fetch(endpoint)).status, { timeout: 20_000, interval: 200 });
  return {
    folder,
    endpoint,
    env: { AWS_ACCESS_KEY_ID: keys.ROOT_ACCESS_KEY, AWS_SECRET_ACCESS_KEY: keys.ROOT_SECRET_KEY },
    async close() {
      server.kill("SIGTERM");
      await server;
    },
  };
}

/** A port on which nobody listens right now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}
