import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { scanRepository, scanStaged } from "../../../../core/tasks/repo/secret-scan.ts";
import { checkTool, repository } from "../../../_check-tools.ts";
import { temporaryFolder } from "../../../_project.ts";
import { harmless, planted } from "./_planted.ts";

const gitleaks = await checkTool("gitleaks");
const rules = join(repository, ".gitleaks.toml");

async function git(root: string, ...args: string[]) {
  const author = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"];
  await execa("git", [...author, ...args], { cwd: root });
}

async function repositoryWith(files: Readonly<Record<string, string>>): Promise<string> {
  const root = temporaryFolder();
  await git(root, "init", "--quiet", "--initial-branch=main");
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
  await git(root, "add", "--all");
  return root;
}

describe.runIf(gitleaks !== undefined)("secrets in git, as gitleaks finds them by our rules", () => {
  const scan = (root: string) => ({ root, gitleaks: gitleaks ?? "", rules });
  const name = (index: number) => `planted-${index}.txt`;
  const files = Object.fromEntries(planted.map(({ text }, index) => [name(index), `${text}\n`]));

  test("each planted one is found in the history, also after it was taken out, and never shown", async () => {
    const root = await repositoryWith(files);
    await git(root, "commit", "--quiet", "-m", "oh no");
    for (const file of Object.keys(files)) rmSync(join(root, file));
    await git(root, "add", "--all");
    await git(root, "commit", "--quiet", "-m", "gone?");
    const findings = await scanRepository(scan(root));
    for (const [index, { git: rule, name: what }] of planted.entries()) {
      const own = findings.filter(({ file }) => file === name(index));
      expect(
        own.map((each) => each.rule),
        what,
      ).toContain(rule);
      expect(own[0], what).toMatchObject({ where: "history", commit: expect.stringMatching(/^[0-9a-f]{40}$/) });
    }
    const shown = JSON.stringify(findings);
    for (const { text } of planted) expect(shown).not.toContain(text.slice(-12).trim());
  }, 60_000);

  test("before a commit, and what git ignores is left alone", async () => {
    const root = await repositoryWith({ ...files, ".gitignore": "ignored.txt\n" });
    writeFileSync(join(root, "ignored.txt"), planted[0]?.text ?? "");
    const found = await scanStaged(scan(root));
    for (const [index, { git: rule, name: what }] of planted.entries())
      expect(
        found.filter(({ file }) => file === name(index)).map((each) => each.rule),
        what,
      ).toContain(rule);
    expect(found.map(({ file }) => file)).not.toContain("ignored.txt");
  }, 60_000);

  test("what only looks alike is not taken for one", async () => {
    const root = await repositoryWith(Object.fromEntries(harmless.map(({ text }, index) => [`h-${index}.txt`, text])));
    expect(await scanStaged(scan(root))).toEqual([]);
  }, 60_000);

  test("a file of .clawdlets is found whatever is in it", async () => {
    const root = await repositoryWith({});
    mkdirSync(join(root, ".clawdlets"));
    writeFileSync(join(root, ".clawdlets", "stack.json"), "{}\n");
    await git(root, "add", "--all");
    expect((await scanStaged(scan(root))).map(({ rule }) => rule)).toEqual(["clawdlets-local-file"]);
  }, 60_000);

  test("the hook stops a commit that holds one, and lets another pass; without gitleaks it stops every one", async () => {
    const root = await repositoryWith({});
    for (const path of [".githooks", ".gitleaks.toml"])
      cpSync(join(repository, path), join(root, path), { recursive: true });
    mkdirSync(join(root, ".toolchain", "bin"), { recursive: true });
    writeFileSync(join(root, ".gitignore"), ".toolchain/\n");
    await git(root, "config", "core.hooksPath", ".githooks");
    await git(root, "add", "--all");
    await expect(git(root, "commit", "--quiet", "-m", "none there")).rejects.toThrow("nothing was searched");
    symlinkSync(gitleaks ?? "", join(root, ".toolchain", "bin", "gitleaks"));
    await git(root, "commit", "--quiet", "-m", "harmless");
    writeFileSync(join(root, "notes.txt"), `${planted[0]?.text}\n`);
    await git(root, "add", "--all");
    await expect(git(root, "commit", "--quiet", "-m", "oh no")).rejects.toThrow("leaks found: 1");
  }, 60_000);

  test("nothing passes for searched that was not: no repository, half a history, broken rules", async () => {
    await expect(scanRepository(scan(temporaryFolder()))).rejects.toThrow("is not a git repository");
    const root = await repositoryWith({ a: "1\n" });
    await git(root, "commit", "--quiet", "-m", "one");
    await git(root, "commit", "--quiet", "--allow-empty", "-m", "two");
    const half = join(temporaryFolder(), "half");
    await execa("git", ["clone", "--quiet", "--depth=1", `file://${root}`, half]);
    await expect(scanRepository(scan(half))).rejects.toThrow("is a shallow clone");
    writeFileSync(join(root, ".gitleaks.toml"), "[[rules]\n");
    await expect(scanRepository(scan(root))).rejects.toThrow("gitleaks could not search");
  }, 60_000);

  // A file with an allowlist alone replaces all of gitleaks' rules (gitleaks/gitleaks#876).
  test.each([
    ["only exceptions", "[allowlist]\npaths = ['testdata/.*']\n"],
    ["an empty file", ""],
    ["one rule of its own", "[[rules]]\nid = 'x'\nregex = 'canary-[0-9]{9}'\n"],
    ["an exception for everything", "[extend]\nuseDefault = true\n[allowlist]\nregexes = ['.*']\n"],
  ])(
    "rules that cannot find a key do not pass for a search: %s",
    async (_, own) => {
      const root = await repositoryWith({ ...files, ".gitleaks.toml": own });
      await git(root, "commit", "--quiet", "-m", "oh no");
      await expect(scanRepository(scan(root))).rejects.toThrow(".gitleaks.toml does not find an age identity");
      await expect(scanStaged(scan(root))).rejects.toThrow(".gitleaks.toml does not find an age identity");
    },
    60_000,
  );

  test("gitleaks' own rules are enough", async () => {
    const root = await repositoryWith({ a: "1\n", ".gitleaks.toml": "[extend]\nuseDefault = true\n" });
    expect(await scanRepository(scan(root))).toEqual([]);
  }, 60_000);

  test("this repository and all that HEAD came from holds none", async () => {
    // Not other branches, which may be anybody's on a developer's machine.
    expect(await scanRepository({ ...scan(repository), range: "HEAD" })).toEqual([]);
  }, 120_000);
});
