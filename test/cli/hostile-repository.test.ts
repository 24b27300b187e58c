import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { stackFile, temporaryFolder, token, upstreamStack } from "../_project.ts";

/** A stranger's repository that brings its own `.clawdlets`, cloned by someone whose shell has a real token. */
const host = "clawdbot-fleet-host";
const requests: string[] = [];
let trap: Server;
let clone: string;
let mark: string;

beforeAll(async () => {
  trap = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.end("{}");
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
});
afterAll(() => new Promise((resolve) => trap.close(resolve)));

beforeEach(async () => {
  requests.length = 0;
  const folder = temporaryFolder();
  const origin = join(folder, "origin");
  clone = join(folder, "clone");
  mark = join(folder, "ran");
  const state = join(origin, ".clawdlets", "state", ".pulumi", "stacks", "clawdlets");
  for (const each of [state, join(origin, "stacks"), join(origin, "tools")]) mkdirSync(each, { recursive: true });
  const endpoint = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/v1`;
  // The program lies where the clone will have it.
  const program = join(clone, "tools", "program");
  const names = ["CLAWDLETS_TAILSCALE", "CLAWDLETS_NIXOS_ANYWHERE", "NIX_BIN"].map((name) => `${name}=${program}\n`);
  const files = {
    "Pulumi.yaml":
      "name: clawdlets\nruntime: nodejs\nstackConfigDir: stacks\nbackend:\n  url: file://.clawdlets/state\n",
    [`stacks/Pulumi.${host}.yaml`]: stackFile,
    ".clawdlets/stack.json": JSON.stringify(upstreamStack),
    ".clawdlets/.env": `HCLOUD_ENDPOINT=${endpoint}\n${names.join("")}`,
    ".clawdlets/passphrase": "of the stranger\n",
    [`.clawdlets/state/.pulumi/stacks/clawdlets/${host}.json`]: JSON.stringify({
      checkpoint: { latest: { resources: [] } },
    }),
    "tools/program": `#!/bin/sh\ntouch '${mark}'\n`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(origin, name), text, { mode: 0o755 });
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd: origin });
  await git("init", "--quiet");
  await git("add", "--all", "--force");
  await git("commit", "--quiet", "-m", "x");
  await execa("git", ["clone", "--quiet", origin, clone]);
  // As git writes it, the folder is readable by all; someone who closes it gets no further.
  await execa("chmod", ["-R", "go=", join(clone, ".clawdlets")]);
});

async function clawdlets(...args: string[]) {
  const kept = Object.entries(process.env).filter(([key]) => !/^(HCLOUD|CLAWDLETS|PULUMI|GITHUB)_/.test(key));
  const environment = { ...Object.fromEntries(kept), HCLOUD_TOKEN: token };
  return execa(process.execPath, [join(process.cwd(), "bin", "clawdlets.mjs"), ...args], {
    cwd: clone,
    env: environment,
    extendEnv: false,
    reject: false,
    all: true,
  });
}

describe("in a stranger's repository no request is sent, no program is run, and it is said why", () => {
  it.each([
    ["window list"],
    [`window open --host ${host}`],
    [`window close --host ${host}`],
    ["status"],
    ["status --json"],
    ["verify"],
    ["doctor"],
    [`doctor --scope deploy`],
    [`lockdown --host ${host}`],
    [`ssh ${host} -- true`],
    [`ssh --window ${host} -- true`],
    [`server status --host ${host}`],
    [`server logs --host ${host}`],
    [`rebuild --host ${host}`],
    [`up --host ${host}`],
    [`preview --host ${host}`],
    [`destroy --host ${host} --yes`],
    [`adopt --host ${host} --yes`],
    [`secrets verify --host ${host}`],
    [`secrets sync --host ${host}`],
    ["secrets migrate"],
    ["env"],
  ])("clawdlets %s", async (command) => {
    const { exitCode, all } = await clawdlets(...command.split(" "));
    expect(all).toContain("git tracks .clawdlets/");
    expect(all).not.toContain("a bug, please report it");
    expect(exitCode, all).not.toBe(0);
    expect(requests).toEqual([]);
    expect(existsSync(mark)).toBe(false);
  });
});
