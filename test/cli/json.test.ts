import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { wholeProgram, withChildren } from "../../cli/program.ts";
import { type Layout, layoutOf } from "../../core/project/layout.ts";
import { project, recipient, stackFile, temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";
import { everyCommand } from "./_commands.ts";

const host = "clawdbot-fleet-host";

/** What commands require beside the host. */
const more: Readonly<Record<string, readonly string[]>> = {
  "secrets edit": ["discord_token_maren"],
  ssh: [host],
  // Dry, since both runs are of one folder.
  "bot import": ["--from", "none"],
  "bot add": ["maren", "--channel", "none", "--model", "openai/gpt-5.4-mini", "--dry-run"],
  ...Object.fromEntries(
    ["show", "remove", "logs", "restart", "open", "pair", "channels"].map((verb) => [`bot ${verb}`, ["maren"]]),
  ),
  "backup restore": ["maren"],
  "image delete": ["250000001"],
  forget: ["--host", host],
  "operator add": ["bea", "--age", recipient, "--ssh-key", "none.pub"],
  "operator remove": ["bea"],
  "operator handover": ["bea", "none/bea.handover"],
  // Into a folder that is not there: of two runs, the second would find the first one's file.
  "vault export": ["none/x.vault", "--to", recipient],
  "vault import": ["x.vault"],
  "vault verify": ["x.vault"],
};

const program = await wholeProgram();
const groups = new Set(
  withChildren(program)
    .filter((command) => command.commands.length > 0)
    .map((command) => command.name()),
);
const commands = (await everyCommand()).filter((words) => !groups.has(words.at(-1) ?? "clawdlets"));

async function clawdlets(layout: Pick<Layout, "root">, args: readonly string[]) {
  const env = { HCLOUD_TOKEN: "too-short" };
  const run = () =>
    execa(join(repository, "bin", "clawdlets"), args, {
      cwd: layout.root,
      env,
      input: "x",
      reject: false,
      timeout: 60_000,
    });
  return run();
}

/** The same refusal with and without `--json`. */
async function refusal(layout: Pick<Layout, "root">, words: readonly string[], args: readonly string[] = []) {
  const all = [...words, ...(more[words.join(" ")] ?? []), ...args];
  const [plain, json] = await Promise.all([clawdlets(layout, all), clawdlets(layout, [...all, "--json"])]);
  return { plain, json, object: JSON.parse(json.stdout) };
}

/** What is not known is an answer of lockdown's; destroy asks for --yes first. */
const exitCodeOf: Readonly<Record<string, number>> = { lockdown: 13, destroy: 2 };

/** Those that change something, or ask Hetzner: none of them gets beyond a setting that is wrong. */
const wordsNeedToken = new Set([
  "up",
  "preview",
  "destroy",
  "adopt",
  "rebuild",
  "lockdown",
  "window open",
  "window list",
]);

const takesJson = new Set<string>();
for (const words of commands) {
  let command = program;
  for (const word of words) command = command.commands.find((each) => each.name() === word) as typeof command;
  if (command.options.some(({ long }) => long === "--json")) takesJson.add(words.join(" "));
}

describe.each(commands.map((words) => [words.join(" "), words] as const))("clawdlets %s --json", (name, words) => {
  it("refuses a command line that is wrong with one JSON object and exit code 2", async () => {
    const { plain, json, object } = await refusal({ root: temporaryFolder() }, words, ["--no-such-option"]);
    expect([plain.exitCode, json.exitCode]).toEqual([2, 2]);
    expect(plain.stdout).toBe("");
    expect(object).toEqual({
      ok: false,
      exitCode: 2,
      problems: [
        {
          code: "usage",
          subject: "--no-such-option",
          problem: expect.stringMatching(/ has no such option\.$/),
          fix: expect.stringMatching(/^All options: clawdlets .*--help$/),
        },
      ],
    });
  });

  if (!takesJson.has(name) || name === "demo" || name === "emulator" || name === "new") return;

  it("refuses a folder without a project", async () => {
    const { plain, json, object } = await refusal({ root: temporaryFolder() }, words);
    expect(json.exitCode, json.stderr).toBe(plain.exitCode);
    expect(json.exitCode).toBe(3);
    expect(plain.stdout).toBe("");
    expect(object).toMatchObject({
      ok: false,
      exitCode: 3,
      problems: [{ problem: expect.stringContaining("Pulumi.yaml") }],
    });
  });

  it("says one thing of a wrong setting, and nothing else on standard output", async () => {
    const bad = project({ stackFile: stackFile.replace("cx43", "CX43") });
    writeFileSync(join(bad.dir, "passphrase"), "x\n", { mode: 0o600 });
    const { plain, json, object } = await refusal(layoutOf(bad.root), words);
    expect(json.exitCode, json.stderr).toBe(plain.exitCode);
    expect(object.ok, json.stderr).toBe(json.exitCode === 0);
    if (wordsNeedToken.has(name)) expect(json.exitCode, json.stderr).toBe(exitCodeOf[name] ?? 3);
    expect(json.stderr).not.toContain("a bug");
  });
});

it("names the wrong setting when a second signing key is asked for", async () => {
  const bad = project({ stackFile: stackFile.replace("cx43", "CX43") });
  const { plain, json, object } = await refusal(layoutOf(bad.root), ["secrets", "rotate"], ["--signing-key"]);
  expect([plain.exitCode, json.exitCode]).toEqual([3, 3]);
  expect(object).toMatchObject({
    ok: false,
    exitCode: 3,
    problems: [
      {
        code: "invalid-value",
        subject: `stacks/Pulumi.${host}.yaml`,
        setting: "clawdlets:serverType",
        problem: expect.stringContaining('is "CX43"; '),
      },
    ],
  });
  expect(plain.stderr).toContain('clawdlets:serverType: is "CX43"; ');
  expect(existsSync(layoutOf(bad.root).systemKeys)).toBe(false);
});
