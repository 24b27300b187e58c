/** `npm run template`, with the packed tarball: the repository that others use as a template at GitHub. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { type Emulator, startEmulator } from "../../emulator/index.ts";
import { templateReadme } from "../../scripts/_build/template.ts";
import { checkTool, repository } from "../_check-tools.ts";
import { packed } from "./_tarball.ts";

const minutes = (count: number) => count * 60_000;
const flake = `github:owner/clawdlets/${"0".repeat(40)}`;
let parent: string;
let tarball: string;
let template: string;

const script = (...args: string[]) =>
  execa("node", ["--import", "./bin/typescript.mjs", "scripts/template.ts", ...args], {
    cwd: repository,
    reject: false,
  });
const filesOf = (folder: string) =>
  execFileSync("git", ["-C", folder, "ls-files"], { encoding: "utf8" }).trim().split("\n");
const textOf = (folder: string, file: string) => readFileSync(join(folder, file), "utf8");

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), "clawdlets-template-"));
  tarball = (await packed()).path;
  template = join(parent, "template");
  const { exitCode, stdout, stderr } = await script(template, "--package", tarball, "--flake", flake);
  expect(exitCode, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ folder: template, commit: expect.stringMatching(/^[0-9a-f]{40}$/) });
}, minutes(10));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

describe("npm run template", () => {
  it(
    "makes what clawdlets new makes, with other first steps in its README",
    async () => {
      const made = join(parent, "my-bots");
      const args = ["bin/clawdlets.mjs", "new", made, "--package", tarball, "--flake", flake, "--no-install"];
      await execa("node", args, { cwd: repository });
      expect(filesOf(template)).toEqual([...filesOf(made), "package-lock.json"].toSorted());
      const differing = filesOf(made).filter((file) => textOf(made, file) !== textOf(template, file));
      expect(differing).toEqual(["README.md"]);
      expect(textOf(template, "README.md")).toBe(templateReadme(textOf(made, "README.md")));
      expect(textOf(template, "README.md")).toMatch(
        /^# my-bots\n\n.+\n\n## First steps\n[\s\S]+\n## Commands\n\n {4}npm ci/,
      );
    },
    minutes(2),
  );

  it(
    "has one commit, no keys, no .clawdlets, no name of this machine and no folder of it",
    async () => {
      expect(execFileSync("git", ["-C", template, "rev-list", "--count", "HEAD"], { encoding: "utf8" }).trim()).toBe(
        "1",
      );
      expect(
        filesOf(template).filter((file) => /^(\.clawdlets|\.toolchain|node_modules)\/|\.(key|pem|env)$/.test(file)),
      ).toEqual([]);
      const { username } = userInfo();
      const names = [repository, parent, tmpdir(), homedir(), hostname(), ...(username === "root" ? [] : [username])];
      for (const file of filesOf(template).filter((name) => !name.endsWith(".tgz"))) {
        const text = textOf(template, file);
        expect([file, names.filter((name) => name.length > 3 && text.includes(name))]).toEqual([file, []]);
        expect([file, /AGE-SECRET-KEY-1[A-Z0-9]{20}|PRIVATE KEY-----\n|tskey-auth-\w{10}/.test(text)]).toEqual([
          file,
          false,
        ]);
      }
      const gitleaks = await checkTool("gitleaks");
      if (gitleaks === undefined) return;
      const { exitCode, all } = await execa(gitleaks, ["git", "--no-banner", template], { reject: false, all: true });
      expect(exitCode, all).toBe(0);
    },
    minutes(10),
  );

  it(
    "leads a copy of it from init to a preview",
    async () => {
      const copy = join(parent, "copy");
      await execa("git", ["clone", "--quiet", template, copy]);
      symlinkSync(join(template, "node_modules"), join(copy, "node_modules"));
      symlinkSync(join(repository, ".toolchain"), join(copy, ".toolchain"));
      const operator = join(parent, "operator");
      await ensureSshKey(operator, "operator");
      const emulator = await startEmulator({ data: join(parent, "emulator") });
      try {
        await previewIn(copy, emulator, `${operator}.pub`);
      } finally {
        await emulator.close();
      }
    },
    minutes(5),
  );

  it.each([
    ["no folder", [], 2, /usage: npm run template/],
    ["two folders", ["a", "b"], 2, /usage: npm run template/],
    ["an unknown option", ["a", "--force"], 2, /usage: npm run template/],
    [
      "a flake in a folder of this machine",
      ["new", "--flake", "git+file:///srv/clawdlets", "--no-install"],
      3,
      /which nobody else can reach/,
    ],
  ])("refuses %s, and leaves nothing", async (_, args, code, message) => {
    const at = (arg: string) => (/^(a|b|new)$/.test(arg) ? join(parent, arg) : arg);
    const { exitCode, stderr } = await script(...args.map(at));
    expect([exitCode, stderr]).toEqual([code, expect.stringMatching(message)]);
    for (const name of ["a", "b", "new"]) expect(existsSync(join(parent, name))).toBe(false);
  });
});

async function previewIn(folder: string, emulator: Emulator, key: string): Promise<void> {
  const own = (args: string[], input = "") =>
    execa("npx", ["--no-install", "clawdlets", ...args], { cwd: folder, input, reject: false });
  mkdirSync(join(folder, ".clawdlets"), { mode: 0o700 });
  const variables = { HCLOUD_TOKEN: emulator.token, HCLOUD_ENDPOINT: emulator.endpoint, CLAWDLETS_KEY_COPY: "off" };
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value}"\n`);
  writeFileSync(join(folder, ".clawdlets", ".env"), lines.join(""), { mode: 0o600 });
  const secrets = {
    admin_password_hash: `$6$examplesalt$${"a".repeat(86)}`,
    tailscale_auth_key: `tskey-auth-${"0".repeat(16)}`,
  };
  const init = ["init", "--host", "web-1", "--admin-cidr", "127.0.0.1/32", "--ssh-pubkey", key, "--from-json", "-"];
  const made = await own(init, JSON.stringify(secrets));
  expect(made.exitCode, made.stderr).toBe(0);
  const person = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"];
  await execa("git", ["-C", folder, "add", "--all"]);
  await execa("git", ["-C", folder, ...person, "commit", "--quiet", "-m", "web-1"]);
  const preview = await own(["preview", "--host", "web-1", "--json"]);
  expect(preview.exitCode, preview.stderr).toBe(0);
  expect(JSON.parse(preview.stdout)).toMatchObject({ ok: true });
}
