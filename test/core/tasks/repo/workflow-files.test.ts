import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { layoutOf } from "../../../../core/project/layout.ts";
import { missingWorkflowFiles } from "../../../../core/tasks/repo/workflow-files.ts";
import { scaffold } from "../../../../core/tasks/scaffold.ts";
import { temporaryFolder } from "../../../_project.ts";
import { repository } from "../../../_repository.ts";

const files = [
  ".github/workflows/preview.yml",
  ".github/workflows/secret-scan.yml",
  ".github/dependabot.yml",
  ".gitleaks.toml",
];

const workflowText = (name: string) => readFileSync(join(repository, `core/tasks/repo/workflows/${name}.yml`), "utf8");

const init = (root: string, dryRun = false, weeklyUpdates = false) =>
  scaffold({
    layout: layoutOf(root),
    host: "web-1",
    entry: { adminCidr: "203.0.113.7/32", sshPubkeyFile: "~/.ssh/id_ed25519.pub", serverType: "cx43" },
    settings: {},
    weeklyUpdates,
    dryRun,
  });

describe("clawdlets init", () => {
  test("gives a repository of one's own its workflows, and leaves those that are there", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, ".git"));
    mkdirSync(join(root, ".github", "workflows"), { recursive: true });
    writeFileSync(join(root, ".github/workflows/preview.yml"), "mine\n");
    expect(await init(root)).toEqual(expect.arrayContaining(files.slice(1)));
    expect(readFileSync(join(root, ".github/workflows/preview.yml"), "utf8")).toBe("mine\n");
    expect(readFileSync(join(root, ".gitleaks.toml"), "utf8")).toContain("hetzner-cloud-token");
    expect(missingWorkflowFiles(root)).toEqual([]);
  });

  test("proposes updates only for those who ask for it", async () => {
    const update = ".github/workflows/update.yml";
    for (const isAsked of [false, true]) {
      const root = temporaryFolder();
      mkdirSync(join(root, ".git"));
      expect((await init(root, false, isAsked)).includes(update)).toBe(isAsked);
      expect(existsSync(join(root, update))).toBe(isAsked);
      expect(missingWorkflowFiles(root, true).map(({ path }) => path)).toEqual(isAsked ? [] : [update]);
    }
  });

  test.each(["newer inputs", "none"])(
    "the steps of the update propose %s, with the token in no argument",
    async (what) => {
      const folder = temporaryFolder();
      const [root, bin, bare] = ["clone", "bin", "origin"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      for (const each of [root, bin]) mkdirSync(each);
      const git = (...args: string[]) =>
        execa("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { cwd: root });
      await execa("git", ["init", "--quiet", "--bare", bare]);
      writeFileSync(join(root, "flake.lock"), "old\n");
      await git("init", "--quiet", "--initial-branch=main");
      await git("remote", "add", "origin", bare);
      await git("add", "--all");
      await git("commit", "--quiet", "--message", "hosts");
      // Stand-ins that note their arguments: nix changes the lock file, gh refuses nothing.
      const note = `#!/bin/sh\necho "$(basename "$0") $*" >>'${folder}/log'\n`;
      const change = what === "none" ? "" : "echo new >flake.lock; echo 'updated nixpkgs' >&2\n";
      writeFileSync(join(bin, "nix"), note + change, { mode: 0o755 });
      writeFileSync(join(bin, "gh"), note, { mode: 0o755 });
      writeFileSync(join(bin, "npx"), `${note}echo '| web-1 | changes |'; exit 10\n`, { mode: 0o755 });
      const { jobs } = parse(workflowText("update"));
      const steps: { run?: string; if?: string; name?: string }[] = jobs.update.steps;
      const env = {
        PATH: `${bin}:${process.env["PATH"] ?? ""}`,
        GITHUB_OUTPUT: join(folder, "output"),
        GITHUB_STEP_SUMMARY: join(folder, "summary"),
        BASE: "0123456789abcdef0123456789abcdef01234567",
        GH_TOKEN: "canary-token",
      };
      for (const { run, if: condition } of steps.filter(({ name }) => name !== undefined)) {
        const changed =
          existsSync(env.GITHUB_OUTPUT) && readFileSync(env.GITHUB_OUTPUT, "utf8").includes("changed=yes");
        if (condition !== undefined && !changed) continue;
        // As the runner starts them.
        await execa("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", run ?? ""], { cwd: root, env });
      }
      const log = readFileSync(join(folder, "log"), "utf8");
      expect(log).not.toContain("canary");
      const { stdout: branches } = await execa("git", ["branch", "--list"], { cwd: bare });
      if (what === "none") {
        expect([log, branches]).toEqual(["nix flake update\n", ""]);
        return;
      }
      expect(branches.trim()).toBe("clawdlets-update");
      expect(log).toContain(`preview --ci --all --base ${env.BASE} --format markdown`);
      expect(log).toContain("gh pr create --head clawdlets-update");
      const body = readFileSync(join(root, "body.md"), "utf8");
      expect(body).toContain("| web-1 | changes |");
      expect(body).toContain("    updated nixpkgs");
      expect(body).toContain("Exit code of the preview: 10");
      const { stdout: changed } = await git("show", "--name-only", "--format=%s", "clawdlets-update");
      expect(changed.split("\n").filter((line) => line !== "")).toEqual(["Update the flake's inputs", "flake.lock"]);
    },
  );

  test("writes none in a dry run, and none where there is no git", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, ".git"));
    expect(await init(root, true)).toEqual(expect.arrayContaining(files));
    expect(existsSync(join(root, ".github"))).toBe(false);
    const plain = temporaryFolder();
    expect((await init(plain)).filter((file) => files.includes(file))).toEqual([]);
  });
});
