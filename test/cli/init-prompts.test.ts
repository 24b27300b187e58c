import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { project, publicKey } from "../_project.ts";
import { repository } from "../_repository.ts";
import { passwordHash } from "../core/project/secrets/_lab.ts";
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
  ["text that is not JSON", "{canary", /--from-json secrets\.json: it is not JSON/, 2],
  ["a list", "[]", /it is not an object/, 2],
  ["a value that is not a string", '{"admin_password_hash": 1}', /admin_password_hash: must be a string/, 3],
  [
    "bytes that are not UTF-8",
    Buffer.from('{"admin_password_hash": "canary\xff"}', "latin1"),
    /it is not UTF-8 text/,
    2,
  ],
  ["a file that is not there", undefined, /--from-json secrets\.json: no such file/, 2],
])("refuses secrets in %s before the first file is made", async (_, secrets, message, code) => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  if (secrets !== undefined) writeFileSync(join(root, "secrets.json"), secrets);
  const before = readdirSync(root, { recursive: true });
  const all = ["--host", "web-1", "--admin-cidr", "203.0.113.7/32", "--ssh-pubkey", "key.pub"];
  for (const more of [[], ["--dry-run"]]) {
    const args = ["init", ...all, "--from-json", "secrets.json", ...more];
    const { exitCode, stderr, stdout } = await execa(clawdlets, args, { cwd: root, reject: false, stdin: "ignore" });
    expect([exitCode, stderr, stdout]).toEqual([code, expect.stringMatching(message), ""]);
    expect(stderr).not.toContain("canary");
    expect(readdirSync(root, { recursive: true })).toEqual(before);
  }
});

it("says which files it made, if a secret is refused afterwards, and continues from there", async () => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  const facts = ["--host", "web-1", "--admin-cidr", "203.0.113.7/32", "--ssh-pubkey", "key.pub"];
  const args = ["init", ...facts, "--from-json", "-"];
  const init = (input: object) => execa(clawdlets, args, { cwd: root, reject: false, input: JSON.stringify(input) });
  const good = { admin_password_hash: passwordHash, tailscale_auth_key: "tskey-auth-canary" };
  const refused = await init({ ...good, admin_password_hash: "canary" });
  expect(refused.exitCode).toBe(3);
  expect(refused.stderr).toMatch(/1 setting needs fixing\. Made so far: .*\.clawdlets\/stack\.json.*\.\n/);
  expect(refused.stderr).not.toContain("Nothing was changed");
  expect(await init(good)).toMatchObject({ exitCode: 0 });
}, 60_000);

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

const inRepositoryOf = async (origin: string | undefined, more: readonly string[] = []) => {
  const { root } = project({ stack: null, stackFile: null });
  writeFileSync(join(root, "key.pub"), `${publicKey}\n`);
  await execa("git", ["init", "--quiet"], { cwd: root });
  if (origin !== undefined) await execa("git", ["remote", "add", "origin", origin], { cwd: root });
  const init = async (host: string, ...args: string[]) => {
    const all = ["init", "--host", host, "--admin-cidr", "203.0.113.7/32", "--ssh-pubkey", "key.pub", ...args];
    const { stdout } = await execa(clawdlets, all, { cwd: root, stdin: "ignore" });
    const file = join(root, `stacks/Pulumi.${host}.yaml`);
    return { stdout, stackFile: existsSync(file) ? readFileSync(file, "utf8") : "" };
  };
  return { init, first: await init("web-1", ...more) };
};

it("init has this machine send the flake to the host if its repository is not on GitHub", async () => {
  const { first, init } = await inRepositoryOf("git@gitlab.com:you/hosts.git");
  expect(first.stackFile).toMatch(/clawdlets:rebuild:\s+source: send\n/);
  expect(first.stdout).toContain("the flake is not on GitHub, so this machine sends it to the host");
  const again = await init("web-1");
  expect(again.stackFile).toBe(first.stackFile);
});

it("init leaves open how a host gets its commits while its repository has no origin, and says so", async () => {
  const { first } = await inRepositoryOf(undefined);
  expect(first.stackFile).not.toMatch(/clawdlets:rebuild:/);
  expect(first.stdout).toMatch(/this repository has no origin to fetch from.*rebuild\.repository.*rebuild\.source/);
});

it("init keeps how a host that is copied is rebuilt", async () => {
  const { init } = await inRepositoryOf(undefined, ["--no-rebuild"]);
  const { stdout, stackFile } = await init("web-2", "--like", "web-1");
  expect(stackFile).toMatch(/clawdlets:rebuild:\s+enabled: false\n/);
  expect(stdout).toContain("rebuilds of web-2: as stacks/Pulumi.web-2.yaml says");
});
