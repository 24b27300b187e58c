import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { newConfig } from "../../../core/tasks/bots/new-config.ts";
import { ActivationLab } from "../../core/host/activation/_lab.ts";

/** A host of the emulator with a bot that has a folder. What its gateway says is simulated there. */
let lab: ActivationLab;
beforeAll(async () => {
  lab = await ActivationLab.open();
  const folder = join(lab.demo.layout.root, "bots/maren");
  mkdirSync(folder, { recursive: true });
  const text = newConfig("discord", "anthropic/claude-sonnet-4-6");
  writeFileSync(join(folder, "openclaw.json"), text);
  const values = join(lab.folder, "values.json");
  writeFileSync(values, JSON.stringify({ maren_anthropic_api_key: "canary-0123456789" }), { mode: 0o600 });
  for (const args of [["init", "--from-json", values], ["sync"]]) {
    const { exitCode, stderr } = await lab.clawdlets(["secrets", ...args, "--host", lab.demo.host]);
    expect(exitCode, stderr).toBe(0);
  }
}, 300_000);
afterAll(() => lab?.close());

const json = async (...args: string[]) => {
  const { stdout, stderr, exitCode } = await lab.clawdlets([...args, "--json"]);
  expect(stdout, stderr).not.toBe("");
  return { exitCode, ...JSON.parse(stdout) };
};

it("show a bot's health, which says that it is simulated", { timeout: 60_000 }, async () => {
  const maren = { bot: "maren", state: "active", restarts: 0, port: 20_000, health: { ok: true, status: "simulated" } };
  const { exitCode, bots } = await json("bot", "status", "maren");
  expect({ exitCode, bots }).toEqual({ exitCode: 0, bots: [{ ...maren, since: expect.any(String) }] });
  const { stdout } = await lab.clawdlets(["bot", "status"]);
  expect(stdout).toContain("maren: active, gateway healthy (simulated), 0 restarts, since ");
  expect((await lab.server("status")).stdout).toContain("  bot maren: active, gateway healthy (simulated)");
});

it("print a bot's journal, restart it, and list what it was refused", { timeout: 60_000 }, async () => {
  expect((await json("bot", "logs", "maren", "--since", "5m")).lines).toEqual([
    expect.stringContaining("clawdbot-maren.service"),
  ]);
  expect(await json("bot", "restart", "maren")).toMatchObject({ ok: true, unit: "clawdbot-maren.service" });
  expect(await json("egress", "denied", "--since", "2h")).toMatchObject({
    since: "2h",
    allow: ["simulated.example"],
    denied: [{ bot: "maren", domain: "simulated.example", count: 1 }],
  });
});

it("list who wants to talk to a bot, let one in, and show its channels", { timeout: 60_000 }, async () => {
  const request = { channel: "discord", code: "ABCD2345", sender: "4242", name: "simulated" };
  expect(await json("bot", "pair", "maren")).toMatchObject({ exitCode: 0, requests: [request] });
  expect((await lab.clawdlets(["bot", "pair", "maren", "--channel", "telegram"])).stdout).toBe(
    "ABCD2345  telegram sender 4242 (simulated)",
  );
  expect(await json("bot", "pair", "maren", "abcd2345")).toMatchObject({ approved: request, hasNoOwner: false });
  expect(await json("bot", "pair", "maren", "ZZZZ2222")).toMatchObject({
    exitCode: 1,
    problems: [{ subject: lab.demo.host, problem: expect.stringContaining("no request has the code ZZZZ2222") }],
  });
  const { stdout } = await lab.clawdlets(["bot", "channels", "maren"]);
  expect(stdout).toBe("discord: connected, simulated");
});

it("opens a way to the gateway until it is stopped, and prints no token", { timeout: 60_000 }, async () => {
  const stop = new AbortController();
  const opened = lab.clawdlets(["bot", "open", "maren", "--port", "23117"], stop.signal);
  let printed = "";
  opened.stdout.on("data", (text) => {
    printed += text;
  });
  await vi.waitUntil(() => printed.includes("\n"), { timeout: 50_000 });
  expect(printed).toBe("http://127.0.0.1:23117/\n");
  expect(await (await fetch(printed.trim())).text()).toBe("simulated control page\n");
  stop.abort();
  await opened;
  await expect(fetch(printed.trim())).rejects.toThrow();
});

it("updates no host while a critical finding is open in the bots' folders", { timeout: 60_000 }, async () => {
  const file = join(lab.demo.layout.root, "bots/maren/openclaw.json");
  const safe = readFileSync(file, "utf8");
  writeFileSync(file, safe.replace('dmPolicy: "pairing"', 'dmPolicy: "open"'));
  const { exitCode, stdout } = await lab.rebuild();
  writeFileSync(file, safe);
  const [problem] = JSON.parse(stdout).problems;
  expect({ exitCode, problem }).toMatchObject({
    exitCode: 3,
    problem: { code: "bot-unsafe", subject: "bots/maren/openclaw.json", setting: "channels.discord.dmPolicy" },
  });
});

it.each([
  [["bot", "open", "maren", "--token"], 2, "is not a terminal"],
  [["bot", "logs", "rex"], 2, 'no stack file names the bot "rex"'],
  [["bot", "pair", "maren", "ABCD234O"], 2, "8 capital letters and digits"],
  [["bot", "pair", "maren", "--channel", "a b"], 2, "a channel's name"],
  [["bot", "status", "rex", "--host", "clawdbot-demo"], 2, "there is no bot"],
])("refuse %j", { timeout: 60_000 }, async (args, code, words) => {
  const { exitCode, stderr } = await lab.clawdlets(args.map((each) => each.replace("clawdbot-demo", lab.demo.host)));
  expect(stderr).toContain(words);
  expect(exitCode).toBe(code);
});
