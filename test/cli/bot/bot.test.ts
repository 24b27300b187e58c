import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { project } from "../../_project.ts";

const entry = join(process.cwd(), "bin", "clawdlets.mjs");
const host = "clawdbot-fleet-host";

const bot = (root: string, ...args: string[]) =>
  execa(process.execPath, [entry, "bot", ...args], { cwd: root, reject: false, extendEnv: true });

it("adds, shows, checks and removes a bot, with results on standard output", { timeout: 90_000 }, async () => {
  const { root, stacks } = project();
  const add = await bot(root, "add", "maren", "--channel", "discord", "--model", "openai/gpt-5.4-mini", "--host", host);
  expect(add.stdout.split("\n")).toEqual([
    "made bots/maren/openclaw.json",
    "made bots/maren/workspace/AGENTS.md",
    `changed stacks/Pulumi.${host}.yaml`,
    `next: clawdlets secrets init --host ${host}`,
  ]);
  expect((await bot(root, "list")).stdout).toBe(`maren: on ${host}, discord, openai/gpt-5.4-mini; lint: nothing found`);
  expect((await bot(root, "show", "maren")).stdout).toContain(
    `${host}: missing discord_token_maren (DISCORD_BOT_TOKEN)`,
  );
  expect(await bot(root, "lint")).toMatchObject({ exitCode: 0, stdout: "nothing found" });
  expect((await bot(root, "remove", "maren", "--yes")).exitCode).toBe(3);
  writeFileSync(join(stacks, `Pulumi.${host}.yaml`), "config: {}\n");
  expect((await bot(root, "remove", "maren", "--yes")).stdout).toBe("deleted bots/maren");
});

it("ends with 3 where a finding is critical, and says which in JSON", async () => {
  const { root } = project();
  mkdirSync(join(root, "bots/maren"), { recursive: true });
  writeFileSync(join(root, "bots/maren/openclaw.json"), "{ gateway: { mode: 'local', bind: 'lan', port: 1 } }");
  const { exitCode, stdout } = await bot(root, "lint", "maren", "--json");
  expect(exitCode).toBe(3);
  const { ok, findings } = JSON.parse(stdout);
  expect({ ok, first: findings[0] }).toMatchObject({
    ok: false,
    first: { severity: "critical", code: "bot-unsafe", subject: "bots/maren/openclaw.json", setting: "gateway.bind" },
  });
  writeFileSync(join(root, "bots/maren/openclaw.json"), "{ gateway: { mode: 'local' } }");
  expect((await bot(root, "lint", "maren")).exitCode).toBe(0);
});

it("names what a wrong command line lacks", async () => {
  const { root } = project();
  expect(await bot(root, "add", "maren", "--channel", "irc", "--model", "a/b")).toMatchObject({ exitCode: 2 });
  expect(await bot(root, "add", "maren", "--channel", "none")).toMatchObject({ exitCode: 2 });
  expect((await bot(root, "lint", "nobody")).stderr).toContain("there is no bots/nobody");
});
