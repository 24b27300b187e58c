import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { repository } from "../_repository.ts";
import { allPages } from "../docs/_pages.ts";
import { commandsIn } from "../docs/_shell.ts";

/** docs/bots.md as a new user follows it: every command of "Add a bot" and the status after it, on a host that runs without bots. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-bot-docs-"));
const progress = Object.assign(() => undefined, { startedAt: Date.now() });
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator"), bots: [] });
  const { layout } = demo;
  // As docs/quickstart.md has it: the host may be changed later.
  await addToStackFile(layout, demo.host, { rebuild: { repository: "github:you/hosts" } });
  const commit = [
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@b.invalid",
    "commit",
    "--quiet",
    "--all",
    "--message",
    "web",
  ];
  await execa("git", commit, { cwd: layout.root });
  await runDemo(demo, progress);
  await execa("git", ["init", "--quiet", "--bare", join(folder, "origin.git")]);
  await execa("git", ["remote", "add", "origin", join(folder, "origin.git")], { cwd: demo.layout.root });
  await execa("git", ["push", "--quiet", "--set-upstream", "origin", "HEAD"], { cwd: demo.layout.root });
}, 300_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** From the page alone, up to where it shows what there is: the secrets that it asks for come on standard input. */
async function commandsOfPage(host: string): Promise<string[][]> {
  const page = (await allPages()).find(({ file }) => file === "docs/bots.md");
  const shell = page?.snippets.filter(
    ({ kind, text }) => kind === "sh" && /^clawdlets bot (add|list)|secrets init/.test(text),
  );
  const all = (shell ?? []).flatMap(({ text }) => commandsIn(text.replaceAll("web-1", host)));
  return all.filter(([, , verb]) => verb !== "remove");
}

const own: Record<string, string[]> = { clawdlets: [join(repository, "bin", "clawdlets")] };

async function type(command: readonly string[], input = "") {
  const [name = "", ...args] = command;
  const [program = name, ...before] = own[name] ?? [name];
  const identity = {
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@b.invalid",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@b.invalid",
  };
  return await execa(program, [...before, ...args], {
    cwd: demo.layout.root,
    env: identity,
    input,
    reject: false,
    all: true,
  });
}

it("leads by its commands alone to a bot that is healthy, which is simulated and says so", async () => {
  const commands = await commandsOfPage(demo.host);
  const lines = commands.map((command) => command.join(" "));
  expect(lines).toEqual([
    `clawdlets bot add maren --channel discord --model anthropic/claude-sonnet-4-6 --host ${demo.host}`,
    `clawdlets secrets init --host ${demo.host}`,
    "clawdlets bot lint",
    "git add bots stacks",
    "git commit -m Add maren",
    "git push",
    `clawdlets rebuild --host ${demo.host}`,
    "clawdlets bot list",
    "clawdlets bot show maren",
  ]);
  const secrets = { discord_token_maren: "canary-0123456789", maren_anthropic_api_key: "canary-key-0123456789" };
  for (const command of commands) {
    const asks = command.join(" ").includes("secrets init");
    const { exitCode, all } = await type(
      asks ? [...command, "--from-json", "-"] : command,
      asks ? JSON.stringify(secrets) : "",
    );
    expect(exitCode, `${command.join(" ")}\n${all}`).toBe(0);
  }
  const status = await type(["clawdlets", "bot", "status", "maren"]);
  expect([status.exitCode, status.all]).toEqual([0, expect.stringContaining("gateway healthy (simulated)")]);
}, 300_000);
