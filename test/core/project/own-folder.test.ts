import { chmodSync, chownSync, cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it, vi } from "vitest";
import { problemJson, problemSentence } from "../../../core/base/problem.ts";
import type { Layout } from "../../../core/project/layout.ts";
import { layoutOf } from "../../../core/project/layout.ts";
import { ownFolderProblem } from "../../../core/project/own-folder.ts";
import { readAccess } from "../../../core/project/settings/access.ts";
import { readEnvFile } from "../../../core/project/settings/env-file.ts";
import { readStackJson } from "../../../core/project/settings/stack-json/stack-json.ts";
import { readState } from "../../../core/project/state/state.ts";
import { project, temporaryFolder, token } from "../../_project.ts";

const host = "clawdbot-fleet-host";
const gitIn = (cwd: string, ...args: string[]) =>
  execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd });

async function repository(): Promise<Layout> {
  const layout = project();
  await gitIn(layout.root, "init", "--quiet");
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\n");
  await gitIn(layout.root, "add", "--all");
  await gitIn(layout.root, "commit", "--quiet", "-m", "x");
  return layout;
}

const force = (layout: Layout, ...paths: string[]) => gitIn(layout.root, "add", "--force", ...paths);
const commit = (layout: Layout) => gitIn(layout.root, "commit", "--quiet", "-m", "more");

describe("a .clawdlets that may be someone else's gives no setting, no token and no state", () => {
  const isRoot = process.getuid?.() === 0;
  const cases: [what: string, spoil: (layout: Layout) => unknown, said: RegExp][] = [
    ["with one file that git tracks", (l) => force(l, ".clawdlets/.env"), /git tracks \.clawdlets\/\.env: it came/],
    [
      "whose file was committed and is no longer in the index",
      async (l) => {
        await force(l, ".clawdlets/.env");
        await commit(l);
        await gitIn(l.root, "rm", "--quiet", "-r", "--cached", ".clawdlets");
      },
      /git tracks \.clawdlets\/\.env/,
    ],
    [
      "tracked by a repository further up",
      async (l) => {
        mkdirSync(join(l.root, "above", "project"), { recursive: true });
        for (const name of [".clawdlets", "Pulumi.yaml", "stacks"])
          cpSync(join(l.root, name), join(l.root, "above", "project", name), {
            recursive: true,
            preserveTimestamps: true,
          });
        await gitIn(join(l.root, "above"), "init", "--quiet");
        await gitIn(join(l.root, "above"), "add", "--force", "project/.clawdlets");
        Object.assign(l, layoutOf(join(l.root, "above", "project")));
      },
      /git tracks \.clawdlets\//,
    ],
    [
      "spelt otherwise, on a file system that ignores case",
      async (l) => {
        const blob = (await gitIn(l.root, "hash-object", "-w", ".gitignore")).stdout;
        await gitIn(l.root, "update-index", "--add", "--cacheinfo", `100644,${blob},.Clawdlets/.env`);
      },
      /git tracks \.Clawdlets\/\.env/,
    ],
    ["that is a repository of its own", (l) => gitIn(l.dir, "init", "--quiet"), /is a separate git repository/],
    [
      "that is a link",
      (l) => {
        const elsewhere = join(temporaryFolder(), "elsewhere");
        renameSync(l.dir, elsewhere);
        symlinkSync(elsewhere, l.dir);
      },
      /is not a folder of this project/,
    ],
    [
      "that a group may write to",
      (l) => chmodSync(l.dir, 0o770),
      /others on this machine can write to it, so it is ignored\. Restrict it: find/,
    ],
    ["that everybody may write to", (l) => chmodSync(l.dir, 0o702), /can write to it/],
    [
      "in a repository that git cannot read",
      (l) => rmSync(join(l.root, ".git", "HEAD")),
      /git could not check if it is tracked/,
    ],
    ...(isRoot
      ? [
          [
            "that belongs to another user",
            (l: Layout) => chownSync(l.dir, 12345, 0),
            /belongs to user 12345, not to you/,
          ] satisfies [string, (l: Layout) => unknown, RegExp],
        ]
      : []),
  ];
  it.each(cases)("%s", async (_, spoil, said) => {
    const layout = await repository();
    expect(ownFolderProblem(layout)).toBeUndefined();
    await spoil(layout);
    const problem = ownFolderProblem(layout);
    expect(problem?.isForeign).toBe(true);
    expect(problem && problemSentence(problem)).toMatch(said);
    expect(readStackJson(layout)).toEqual({ problems: [problem && problemJson(problem)] });
    const env = readEnvFile(layout, { HCLOUD_TOKEN: "of-the-environment" });
    expect(env.value).toEqual({ HCLOUD_TOKEN: "of-the-environment" });
    expect(env.problems).toHaveLength(1);
    expect(() => readAccess(layout, host, { HCLOUD_TOKEN: token })).toThrow(said);
    expect(readState(layout, host).problems.map(problemSentence)[0]).toMatch(said);
  });
});

it("a .clawdlets that others may only read is refused too, and nothing is called foreign", async () => {
  const layout = await repository();
  chmodSync(layout.dir, 0o755);
  expect(ownFolderProblem(layout)).toMatchObject({ isForeign: false, code: "file-exposed" });
  expect(readEnvFile(layout, {}).value).toEqual({});
});

describe("is taken", () => {
  it("in a worktree, without a repository, and without the folder", async () => {
    const layout = await repository();
    const tree = join(temporaryFolder(), "tree");
    await gitIn(layout.root, "worktree", "add", "--quiet", tree);
    cpSync(layout.dir, join(tree, ".clawdlets"), { recursive: true });
    expect(ownFolderProblem(layoutOf(tree))).toBeUndefined();
    await gitIn(tree, "add", "--force", ".clawdlets/.env");
    expect(ownFolderProblem(layoutOf(tree))?.isForeign).toBe(true);
    rmSync(join(layout.root, ".git"), { recursive: true });
    expect(ownFolderProblem(layout)).toBeUndefined();
    rmSync(layout.dir, { recursive: true });
    expect(ownFolderProblem(layout)).toBeUndefined();
  });

  it("with git's own variables pointing elsewhere, as in a hook or below the engine", async () => {
    const layout = await repository();
    vi.stubEnv("GIT_DIR", "/dev/null");
    vi.stubEnv("GIT_INDEX_FILE", "/dev/null");
    expect(ownFolderProblem(layout)).toBeUndefined();
    await execa("git", ["add", "--force", ".clawdlets/.env"], {
      cwd: layout.root,
      env: { PATH: process.env["PATH"] ?? "" },
      extendEnv: false,
    });
    expect(ownFolderProblem(layout)?.isForeign).toBe(true);
    vi.unstubAllEnvs();
  });

  it("asks git again when the index changes within one process", async () => {
    const layout = await repository();
    expect(ownFolderProblem(layout)).toBeUndefined();
    await force(layout, ".clawdlets/.env");
    expect(ownFolderProblem(layout)?.setting).toBe("git");
    await gitIn(layout.root, "rm", "--quiet", "--cached", ".clawdlets/.env");
    expect(ownFolderProblem(layout)).toBeUndefined();
  });
});

it("runs no program that the repository's own configuration names", async () => {
  const layout = await repository();
  const mark = join(layout.root, "ran");
  await gitIn(layout.root, "config", "core.fsmonitor", `touch '${mark}' #`);
  ownFolderProblem(layout);
  const { exitCode } = await execa("test", ["-e", mark], { reject: false });
  expect(exitCode).toBe(1);
});

it("a folder on the way to .env may not be a link that leads out", async () => {
  const layout = await repository();
  const outside = temporaryFolder();
  writeFileSync(join(outside, "tokens"), `HCLOUD_TOKEN=${token}\n`, { mode: 0o600 });
  symlinkSync(outside, join(layout.dir, "sub"));
  const { value, problems } = readEnvFile(layout, {}, "sub/tokens");
  expect(value).toEqual({});
  expect(problems.map(problemSentence)[0]).toContain("is reached through a link that leads out of .clawdlets");
});
