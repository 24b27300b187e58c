import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parseEnvFile } from "../../core/project/settings/env-file.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

const clawdlets = join(repository, "bin", "clawdlets.mjs");
const started: ReturnType<typeof spawn>[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, "close");
    child.kill("SIGTERM"); // It removes its folder.
    await ended;
  }
});

function run(...args: string[]) {
  const child = spawn(clawdlets, ["emulator", ...args]);
  started.push(child);
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ready = new Promise<{ endpoint: string; token: string; sshPort: number }>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.includes("\n")) resolve(JSON.parse(stdout));
    });
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number, stdout, stderr }));
  return { child, ready, ended };
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "says where it is in one line, and on %s lists what it did not know",
  async (signal) => {
    const { child, ready, ended } = run("--action-ms", "0");
    const { endpoint, token, sshPort } = await ready;
    expect([endpoint, token, sshPort]).toEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:[0-9]+\/v1$/),
      expect.stringMatching(/^[A-Za-z0-9]{64}$/),
      expect.any(Number),
    ]);
    await fetch(`${endpoint}/load_balancers`, { headers: { authorization: `Bearer ${token}` } });
    child.kill(signal);
    const { code, stdout, stderr } = await ended;
    expect([code, stdout.trim().split("\n").length]).toEqual([0, 1]);
    expect(stderr).toBe("asked for, but not emulated:\n  GET /v1/load_balancers\n");
  },
);

test("points a project's .env at itself, and keeps what else is in it", async () => {
  const file = join(temporaryFolder(), ".env");
  writeFileSync(file, 'GITHUB_TOKEN="abc"\nHCLOUD_TOKEN=old\nHCLOUD_ENDPOINT=http://127.0.0.1:1/v1\n', { mode: 0o600 });
  const { endpoint, token, sshPort } = await run("--env-file", file).ready;
  const { value, problems } = parseEnvFile(readFileSync(file, "utf8"), file);
  expect([problems, value]).toEqual([
    [],
    {
      GITHUB_TOKEN: "abc",
      HCLOUD_TOKEN: token,
      HCLOUD_ENDPOINT: endpoint,
      CLAWDLETS_SSH_PORT: String(sshPort),
      CLAWDLETS_NIXOS_ANYWHERE: expect.stringMatching(/^\/.*stand-ins\/nixos-anywhere$/),
      CLAWDLETS_TAILSCALE: expect.stringMatching(/^\/.*stand-ins\/tailscale$/),
    },
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("does not start over the token of a real account", async () => {
  const file = join(temporaryFolder(), ".env");
  const before = `HCLOUD_TOKEN=${"a".repeat(64)}\n`;
  writeFileSync(file, before, { mode: 0o600 });
  const { code, stdout, stderr } = await run("--env-file", file).ended;
  expect([code === 0, stdout, stderr]).toEqual([false, "", expect.stringMatching(/has the token of a real account/)]);
  expect(stderr).not.toContain("aaaa");
  expect(readFileSync(file, "utf8")).toBe(before);
});

test.each([
  [["--port", "99999"], 2, /--port: is "99999"; allowed: a whole number from 0 to 65535/],
  [["--action-ms", "soon"], 2, /--action-ms: is "soon"; allowed: a whole number/],
  [["--rate-limit", "0"], 2, /--rate-limit: is "0"; allowed: a whole number from 1/],
  [["--frobnicate"], 2, /--frobnicate: clawdlets emulator has no such option/],
  [["--token", "short"], 1, /^--token: a Hetzner token is 64 characters/],
  [["--faults", "/nowhere.json"], 1, /^--faults \/nowhere\.json: ENOENT/],
])("%j is refused with status %i in one sentence", async (args, status, text) => {
  const { code, stdout, stderr } = await run(...args).ended;
  expect([code, stdout, stderr.trim().split("\n").length]).toEqual([status, "", 1]);
  expect(stderr).toMatch(text);
});

test("a port in use is refused with what to do", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { code, stderr } = await run("--port", String(port)).ended;
  expect([code, stderr]).toEqual([
    1,
    `--port ${port}: 127.0.0.1:${port} is in use or may not be used. Give another port, or 0 for any free one.\n`,
  ]);
  other.close();
});
