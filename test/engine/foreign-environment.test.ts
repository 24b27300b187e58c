import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { startLab } from "../emulator/_lab.ts";

/** A shell in which other projects, hooks and habits have left variables, and a host that runs. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-foreign-"));
const engine = findEngine(process.cwd());
const progress = Object.assign((_: string) => undefined, { startedAt: Date.now() });
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator") });
  await runDemo(demo, progress);
}, 300_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const clawdlets = (args: string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [join(repository, "bin", "clawdlets.mjs"), ...args], {
    cwd: demo.layout.root,
    env,
    reject: false,
    all: true,
    stdin: "ignore",
  });
const server = async () => (await demo.report()).servers.find(({ name }) => name === demo.host);
const writes = async () => Object.keys((await demo.report()).requests).filter((request) => !request.startsWith("GET"));

const state = join(folder, "another-state");
const evil = join(folder, "evil.cjs");
mkdirSync(state);
writeFileSync(evil, `require("node:fs").writeFileSync(${JSON.stringify(join(folder, "evil-"))} + process.pid, "");`);

describe("a backend that the shell names, and Pulumi.yaml does not, is refused by name", () => {
  it.each([["preview"], ["up"], ["destroy", "--yes"]])(
    "%s",
    async (...args) => {
      const before = await writes();
      const { exitCode, all } = await clawdlets(args, { PULUMI_BACKEND_URL: `file://${state}` });
      const said =
        /PULUMI_BACKEND_URL: is "file:.*another-state" in this shell, but Pulumi.yaml keeps .* "file:\/\/\.clawdlets\/state"/;
      expect([exitCode, all]).toEqual([3, expect.stringMatching(said)]);
      expect(await writes()).toEqual(before);
      expect(readdirSync(state)).toEqual([]);
    },
    60_000,
  );
});

describe("what else a shell may hold does not reach the engine", () => {
  it("nor anything that it starts: the host is as declared", async () => {
    const { exitCode, all } = await clawdlets(["up"], {
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_CONFIG_PASSPHRASE_FILE: "/nowhere",
      PULUMI_STACK: "another",
      PULUMI_HOME: join(folder, "home"),
      PULUMI_ACCESS_TOKEN: "pul-0123456789",
      PULUMI_CONFIG: '{"clawdlets:serverType":"cx53"}',
      PULUMI_OPTION_TARGET: "urn:pulumi:nothing",
      GIT_DIR: join(folder, "nowhere.git"),
      GIT_INDEX_FILE: "/nowhere",
      SSH_ASKPASS: "/nowhere",
      LD_LIBRARY_PATH: "/nowhere",
      BASH_ENV: "/nowhere",
    });
    expect([exitCode, all]).toEqual([0, expect.stringContaining("nothing to do: everything is as declared")]);
  }, 60_000);

  // pulumi/pulumi#2651: grpc-js asks the proxy for the connection between program and engine, on this machine, too.
  it.each([
    ["http_proxy", "http://127.0.0.1:1"],
    ["https_proxy", "http://127.0.0.1:1"],
    ["HTTPS_PROXY", "http://127.0.0.1:1"],
  ])(
    "nor do its parts ask the proxy %s for each other",
    async (key, proxy) => {
      for (const more of [{}, { no_proxy: "localhost, 127.0.0.1,.example.org" }] as Record<string, string>[]) {
        const { exitCode, all } = await clawdlets(["up"], { [key]: proxy, ...more });
        expect([exitCode, all]).toEqual([0, expect.stringContaining("nothing to do: everything is as declared")]);
      }
    },
    60_000,
  );

  it.each(["", "1"])(
    "nor PULUMI_DEBUG_COMMANDS=%j, which the engine's library sets itself",
    async (value) => {
      const { exitCode, all } = await clawdlets(["up"], { PULUMI_DEBUG_COMMANDS: value });
      expect([exitCode, all]).toEqual([0, expect.stringContaining("nothing to do: everything is as declared")]);
    },
    60_000,
  );

  it("nor code that NODE_OPTIONS loads, into any process but our own", async () => {
    const { exitCode, all } = await clawdlets(["preview"], { NODE_OPTIONS: `--require=${evil}` });
    expect(exitCode, all).toBe(0);
    expect(readdirSync(folder).filter((name) => name.startsWith("evil-"))).toHaveLength(1);
  }, 60_000);
});

describe("where is looked is not decided by a shell", () => {
  it.each([
    ["HCLOUD_ENDPOINT", "http://127.0.0.1:9/v1"],
    ["CLAWDLETS_SSH_PORT", "9"],
  ])(
    "%s: refused by what changes or judges, and lockdown closes where the file says",
    async (key, value) => {
      const said = new RegExp(
        `${key}: is set in this shell, but has a different value in .clawdlets/.env, which takes precedence`,
      );
      for (const args of [["up"], ["destroy", "--yes"]]) {
        const { exitCode, all } = await clawdlets(args, { [key]: value });
        expect([exitCode === 0, all], args.join(" ")).toEqual([false, expect.stringMatching(said)]);
      }
      const { exitCode, all } = await clawdlets(["lockdown"], { [key]: value });
      expect([exitCode, all]).toEqual([0, expect.stringMatching(said)]);
      expect(await server()).toMatchObject({ installRuns: 1 });
    },
    120_000,
  );
});

describe("the token of another project of Hetzner's", () => {
  it.each([["up"], ["destroy", "--yes"]])(
    "%s takes nothing for deleted",
    async (...args) => {
      const other = await startLab({ token: "b".repeat(64) });
      const env = join(demo.layout.dir, ".env");
      const before = readFileSync(env, "utf8");
      try {
        const { endpoint, token } = other.emulator;
        const changed = before.replace(/HCLOUD_ENDPOINT=.*/, `HCLOUD_ENDPOINT=${endpoint}`);
        writeFileSync(env, changed.replace(/HCLOUD_TOKEN=.*/, `HCLOUD_TOKEN=${token}`));
        const { exitCode, all } = await clawdlets(args);
        const said = /HCLOUD_TOKEN: belongs to a Hetzner project that has neither the server nor anything else of/;
        expect([exitCode, all]).toEqual([3, expect.stringMatching(said)]);
        expect(Object.keys(other.emulator.report().requests).filter((each) => !each.startsWith("GET"))).toEqual([]);
      } finally {
        writeFileSync(env, before);
        await other.stop();
      }
      expect(await server()).toMatchObject({ installRuns: 1 });
    },
    60_000,
  );
});

describe("a setting of the provider alone is refused", () => {
  const { stackFile } = { stackFile: () => hostLayoutOf(demo.layout, demo.host).stackFile };
  it.each(["hcloud:token", "hcloud:config:token", "hcloud:endpoint"])(
    "%s",
    async (key) => {
      const before = readFileSync(stackFile(), "utf8");
      writeFileSync(stackFile(), before.replace("config:\n", `config:\n  ${key}: ${"b".repeat(64)}\n`));
      try {
        // The engine takes the older spelling for the newer one.
        const spelt = key.replace("hcloud:", "hcloud:(config:)?").replace("config:)?config:", "config:)?");
        const said = new RegExp(`Pulumi.${demo.host}.yaml: ${spelt}: would only be used by the provider`);
        const up = await clawdlets(["up"]);
        expect([up.exitCode, up.all]).toEqual([3, expect.stringMatching(said)]);
        const env = engineEnvironment(demo.layout, engine ?? ({} as never));
        const args = ["up", "--yes", "--skip-preview", "--non-interactive", "--stack", demo.host];
        const plain = await execa(engine?.pulumi ?? "", args, { cwd: demo.layout.root, env, reject: false, all: true });
        expect([plain.exitCode === 0, plain.all]).toEqual([false, expect.stringMatching(said)]);
        expect(up.all + plain.all).not.toContain("b".repeat(64));
      } finally {
        writeFileSync(stackFile(), before);
      }
    },
    60_000,
  );
});

it("`clawdlets env` takes back what would go before it in a shell", async () => {
  const shell = {
    http_proxy: "http://127.0.0.1:1",
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_BACKEND_URL: `file://${state}`,
    HCLOUD_ENDPOINT: "http://127.0.0.1:9",
  };
  const script = `eval "$(${process.execPath} ${join(repository, "bin", "clawdlets.mjs")} env)" && pulumi preview --non-interactive`;
  const { exitCode, all } = await execa("sh", ["-c", script], {
    cwd: demo.layout.root,
    env: shell,
    reject: false,
    all: true,
  });
  expect(exitCode, all).toBe(0);
  expect(all).not.toMatch(/\d+ to create/);
}, 60_000);

it("the command that is advised for the lock of another machine takes it away", async () => {
  const locks = join(demo.layout.state, ".pulumi", "locks", "organization", "clawdlets", demo.host);
  mkdirSync(locks, { recursive: true });
  const lock = { pid: 1, username: "you", hostname: "elsewhere", timestamp: "2026-05-01T10:00:00Z" };
  writeFileSync(join(locks, "0b5c.json"), JSON.stringify(lock));
  const { exitCode, all } = await clawdlets(["up"]);
  expect(exitCode).toBe(5);
  const [, advised = ""] = /if it will never finish: (.+)$/m.exec(all) ?? [];
  const bin = `${process.execPath} ${join(repository, "bin", "clawdlets.mjs")}`;
  const ran = await execa("sh", ["-c", `${advised.replace("npx --no-install clawdlets", bin)} --yes`], {
    cwd: demo.layout.root,
    reject: false,
    all: true,
  });
  expect(ran.exitCode, ran.all).toBe(0);
  expect(readdirSync(locks)).toEqual([]);
}, 60_000);
