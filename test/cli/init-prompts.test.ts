import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { project, publicKey } from "../_project.ts";
import { repository } from "../_repository.ts";
import { onTerminal } from "./_terminal.ts";

const clawdlets = join(repository, "bin", "clawdlets");
const clear = "\u0015";

it("init asks for bots and for day two, and refuses at the prompt what the options refuse", async () => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  writeFileSync(join(root, "none.pub"), "not a key\n");
  const { screen } = await onTerminal(
    `${clawdlets} init --host web-1 --admin-cidr 203.0.113.7/32`,
    [
      ["Your ssh public key file", `${clear}missing.pub\r`],
      ["there is no such file", `${clear}key.pub\r`],
      ["bots, separated by commas", "Maren\r"],
      ["allowed:", `${clear}maren,ada\r`],
      ["Flake with the host", "\r"],
      ["changes the running host later", `${clear}sometimes\r`],
      ["allowed:", `${clear}never\r`],
      ["Admin password", "\u0003"],
    ],
    { cwd: root },
  );
  expect(screen).toContain("Stopped at a question");
  const text = readFileSync(join(root, "stacks/Pulumi.web-1.yaml"), "utf8");
  expect(text).toMatch(/clawdlets:bots:\s+(- maren\s+- ada|\[\s*maren, ada\s*\])/);
  expect(text).toMatch(/onUp: never/);
}, 60_000);

it.each([
  [
    "a key file that is not there",
    ["--ssh-pubkey", "missing.pub"],
    /the command line: --ssh-pubkey: .*missing\.pub: there is no such file/,
    3,
  ],
  ["another word for rebuild", ["--ssh-pubkey", "key.pub", "--rebuild-on-up", "sometimes"], /pinned, newest, never/, 2],
])("as an option it refuses %s before anything is written", async (_, args, message, code) => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  const all = ["init", "--host", "web-1", "--admin-cidr", "203.0.113.7/32", ...args];
  const { exitCode, stderr, stdout } = await execa(clawdlets, all, { cwd: root, reject: false, stdin: "ignore" });
  expect([exitCode, stderr]).toEqual([code, expect.stringMatching(message)]);
  expect(stdout).toBe("");
});

it.each([
  [
    "by default",
    [],
    /clawdlets:rebuild:\s+repository: github:you\/hosts\s+branch: production\n/,
    "fetch branch production",
  ],
  ["not with --no-rebuild", ["--no-rebuild"], /clawdlets:rebuild:\s+enabled: false\n/, "cannot be changed from here"],
  [
    "and when up does it, too",
    ["--rebuild-on-up", "newest", "--flake", "github:they/all"],
    /clawdlets:rebuild:\s+onUp: newest\s+repository: github:they\/all\n/,
    "fetch branch main of github:they/all",
  ],
])("init lets the running host be changed from the project's repository: %s", async (_, more, written, said) => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  await execa("git", ["init", "--quiet", "--initial-branch=production"], { cwd: root });
  await execa("git", ["remote", "add", "origin", "git@github.com:you/hosts.git"], { cwd: root });
  const all = ["init", "--host", "web-1", "--admin-cidr", "203.0.113.7/32", "--ssh-pubkey", "key.pub", ...more];
  const { stdout } = await execa(clawdlets, all, { cwd: root, stdin: "ignore" });
  expect(stdout).toContain(said);
  expect(readFileSync(join(root, "stacks/Pulumi.web-1.yaml"), "utf8")).toMatch(written);
});
