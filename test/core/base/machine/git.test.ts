import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cleanEnvironment } from "../../../../core/base/machine/environment.ts";
import { git, gitEnvironment, runGit } from "../../../../core/base/machine/git.ts";
import { run } from "../../../../core/base/machine/run.ts";
import { temporaryFolder } from "../../../_project.ts";

const author = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"];
let root: string;
let dumps: string;

/** A program that notes that it ran, and with which environment, and passes on what it is given. */
const spy = (name: string) => `env >> '${dumps}/${name}'; cat`;
const ran = (name: string) => (existsSync(join(dumps, name)) ? readFileSync(join(dumps, name), "utf8") : undefined);

/** A repository whose own configuration starts a program wherever git lets it. */
beforeEach(async () => {
  const folder = temporaryFolder();
  root = join(folder, "r epository");
  dumps = join(folder, "dumps");
  mkdirSync(root);
  mkdirSync(dumps);
  const plain = (...args: string[]) => execa("git", args, { cwd: root });
  await plain("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(root, ".gitattributes"), "*.txt filter=a.b diff=evil\n");
  writeFileSync(join(root, "a.txt"), "text\n");
  await plain("add", "--all");
  await plain(...author, "commit", "--quiet", "-m", "one");
  const hooks = join(folder, "hooks");
  mkdirSync(hooks);
  writeFileSync(join(hooks, "pre-commit"), `#!/bin/sh\nexec </dev/null; ${spy("hook")}\n`, { mode: 0o755 });
  writeFileSync(join(folder, "monitor"), `#!/bin/sh\nexec </dev/null; ${spy("fsmonitor")}\n`, { mode: 0o755 });
  writeFileSync(join(folder, "remote"), `#!/bin/sh\nexec </dev/null; ${spy("ssh")}\nexit 1\n`, { mode: 0o755 });
  // Half of it from a file that the configuration includes.
  await plain("config", "--file", join(folder, "included"), "filter.a.b.smudge", spy("smudge"));
  for (const [key = "", value = ""] of [
    ["include.path", join(folder, "included")],
    ["core.fsmonitor", join(folder, "monitor")],
    ["core.hooksPath", hooks],
    ["filter.a.b.clean", spy("clean")],
    ["filter.a.b.required", "true"],
    ["diff.evil.textconv", `sh -c "env >> '${dumps}/textconv'; cat \\"\\$1\\"" sh`],
    ["core.sshCommand", join(folder, "remote")],
    ["remote.origin.url", "ssh://git@example.invalid/x"],
    ["remote.origin.promisor", "true"],
    ["extensions.partialClone", "origin"],
    ["core.repositoryFormatVersion", "1"],
  ])
    await plain("config", key, value);
  vi.stubEnv("HCLOUD_TOKEN", "t".repeat(64));
});
afterEach(() => vi.unstubAllEnvs());

const missing = "0123456789".repeat(4);
const commands: [string, string, string[]][] = [
  ["fsmonitor", "status", ["status", "--porcelain"]],
  ["fsmonitor", "ls-files", ["ls-files", "--others", "--exclude-standard"]],
  ["clean", "add", ["add", "--all"]],
  ["clean", "status", ["status", "--porcelain"]],
  ["smudge", "archive", ["archive", "--format=tar", "--output=../out.tar", "HEAD"]],
  ["textconv", "log", ["log", "-p"]],
  ["textconv", "diff", ["diff"]],
  ["hook", "commit", [...author, "commit", "--quiet", "--allow-empty", "-m", "two"]],
  ["ssh", "cat-file", ["cat-file", "-e", missing]],
];

describe("a repository whose configuration starts programs", () => {
  it.each(commands)("%s does not run at git %s", async (name, _verb, args) => {
    writeFileSync(join(root, "a.txt"), "TEXT\n");
    await execa("git", args, { cwd: root, reject: false });
    expect(ran(name), "git on its own would have run it").toContain("HCLOUD_TOKEN=ttt");
    await execa("rm", ["-r", dumps]);
    mkdirSync(dumps);
    writeFileSync(join(root, "a.txt"), "Text\n");
    const { exitCode, stderr } = await runGit(root, args);
    if (name !== "ssh") expect(exitCode, stderr).toBe(0);
    expect(ran(name)).toBeUndefined();
  });

  it("is read as it is, and so are the user's own filters", async () => {
    expect(await git(root, "ls-files")).toBe(".gitattributes\na.txt");
    const home = temporaryFolder();
    vi.stubEnv("HOME", home);
    vi.stubEnv("GIT_CONFIG_GLOBAL", join(home, ".gitconfig"));
    await execa("git", ["config", "--global", "filter.own.clean", "tr a-z A-Z"]);
    writeFileSync(join(root, ".gitattributes"), "*.own filter=own\n");
    writeFileSync(join(root, "b.own"), "text\n");
    await runGit(root, ["add", "--all"]);
    expect(await git(root, "show", ":b.own")).toBe("TEXT");
  });

  it("starts none for a program that runs git on its own", async () => {
    const env = await gitEnvironment(root);
    const { stdout } = await run("sh", ["-c", "git status --porcelain; git log -p; git diff"], { cwd: root, env });
    expect(stdout).toContain("+text");
    expect(["fsmonitor", "clean", "textconv"].map(ran)).toEqual([undefined, undefined, undefined]);
  });

  it("speaks English, whatever the language of the shell: what it says is matched", async () => {
    const env = { ...cleanEnvironment(), LC_ALL: "de_DE.UTF-8", LANGUAGE: "de" };
    const { stdout } = await runGit(root, ["-c", "alias.said=!echo $LC_ALL", "said"], { env });
    expect(stdout).toBe("C\n");
  });

  it("is found by our git inside the engine, whose own finds none", async () => {
    vi.stubEnv("GIT_DIR", "/dev/null");
    expect((await execa("git", ["rev-parse", "HEAD"], { cwd: root, reject: false })).exitCode).not.toBe(0);
    expect(await git(root, "rev-parse", "HEAD")).toMatch(/^[0-9a-f]{40}$/);
  });
});
