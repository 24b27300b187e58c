import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeEach, describe, expect, it } from "vitest";
import { rebuildSource } from "../../../../core/host/flake/rebuild-source.ts";
import { newFiles } from "../../../../core/tasks/new/files.ts";
import { checkPlace } from "../../../../core/tasks/new/place.ts";
import { nameProblems } from "../../../../core/tasks/new/plan.ts";
import { ownRepository } from "../../../../core/tasks/new/repository.ts";
import { flakeProblems } from "../../../../core/tasks/new/request.ts";
import { sourceOf } from "../../../../core/tasks/new/source.ts";
import { temporaryFolder } from "../../../_project.ts";
import { repository } from "../../../_repository.ts";

const clawdlets = join(repository, "bin", "clawdlets.mjs");
let parent: string;
beforeEach(() => {
  parent = temporaryFolder();
});

/** As in a shell with little in it; git's own settings of this user are left out. */
const start = (args: readonly string[], env: Record<string, string> = {}, input = "") =>
  execa(process.execPath, [clawdlets, "new", ...args], {
    cwd: parent,
    env: { PATH: process.env["PATH"] ?? "", HOME: parent, GIT_CONFIG_GLOBAL: "/dev/null", ...env },
    extendEnv: false,
    reject: false,
    input,
    timeout: 120_000,
  });
const git = (folder: string, ...args: string[]) => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" });
const here = () => readdirSync(parent).sort();

describe("clawdlets new", () => {
  it("makes a repository with everything that it lists, in one commit that has an author in any case", async () => {
    const { exitCode, stdout, stderr } = await start(["my-bots", "--no-install", "--json"]);
    expect(exitCode, stderr).toBe(0);
    const { make, folder, next, notes, installed } = JSON.parse(stdout);
    expect(folder).toBe(join(parent, "my-bots"));
    expect(git(folder, "ls-files").trim().split("\n").sort()).toEqual([...make].sort());
    expect(git(folder, "log", "--format=%an %s").trim()).toBe("clawdlets Start with clawdlets");
    expect(git(folder, "status", "--porcelain")).toBe("");
    expect(notes.join()).toContain("git knows no name");
    expect([installed, next[1], next.at(-1)]).toEqual([false, "npm install", "npx --no-install clawdlets init"]);
    expect(here()).toEqual(["my-bots"]);
    const { dependencies, devDependencies, name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect([name, dependencies["@clawdlets/infra"]]).toEqual(["my-bots", "0.1.0"]);
    expect(readFileSync(join(folder, "Pulumi.yaml"), "utf8")).toContain("name: my-bots\n");
    expect(git(folder, "check-ignore", ".clawdlets/x", "node_modules", ".toolchain").trim().split("\n")).toHaveLength(
      3,
    );
    expect(make).toEqual(expect.arrayContaining([".gitleaks.toml", "flake.lock", "stacks/Pulumi.example.yaml"]));
  }, 60_000);

  it("fills an empty folder that is there, by the name of a project of its own", async () => {
    mkdirSync(join(parent, "Bots 1"));
    const json = JSON.stringify({ dir: "Bots 1", name: "not-this", install: false, flake: "github:acme/clawdlets" });
    const { exitCode, stderr } = await start(["--from-json", "-", "--name", "bots"], {}, json);
    expect(exitCode, stderr).toBe(0);
    const folder = join(parent, "Bots 1");
    expect(readdirSync(folder).filter((name) => name.startsWith(".new"))).toEqual([]);
    expect(readFileSync(join(folder, "package.json"), "utf8")).toContain('"name": "bots"');
    expect(readFileSync(join(folder, "flake.nix"), "utf8")).toContain('clawdlets.url = "github:acme/clawdlets";');
    expect(git(folder, "status", "--porcelain")).toBe("");
  }, 60_000);

  it.each([
    ["github:me/my-bots", "https://github.com/me/my-bots.git", "github:me/my-bots"],
    ["git@github.com:me/my-bots.git", "git@github.com:me/my-bots.git", "github:me/my-bots"],
    [
      "git+ssh://git@git.example.org/me/bots",
      "ssh://git@git.example.org/me/bots",
      "git+ssh://git@git.example.org/me/bots",
    ],
  ])(
    "has %s as its origin, in what init and the README take",
    async (given, remote, flake) => {
      const { exitCode, stdout, stderr } = await start(["x", "--no-install", "--repository", given, "--json"]);
      expect(exitCode, stderr).toBe(0);
      const { folder, repository: said, next } = JSON.parse(stdout);
      expect(said).toEqual({ remote, flake });
      expect(git(folder, "remote", "get-url", "origin").trim()).toBe(remote);
      expect(readFileSync(join(folder, "README.md"), "utf8")).toContain(`flakeBase = "${flake}";`);
      expect(next.at(-2)).toBe("git push --set-upstream origin main");
      const source = flake.startsWith("github:") ? { repository: flake } : undefined;
      expect(await rebuildSource(folder, undefined)).toEqual(source);
    },
    60_000,
  );

  it("says in a dry run what it would make, and makes nothing", async () => {
    const { exitCode, stdout } = await start(["my-bots", "--no-install", "--dry-run"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("would make package.json\n");
    expect(here()).toEqual([]);
  }, 60_000);

  it.each([
    ["no folder", ["--no-install"], "usage", 2],
    ["a bad name", ["My_Bots", "--no-install"], "invalid-value", 3],
    ["the name of a package that it needs", ["tsx", "--no-install"], "invalid-value", 3],
    [
      "a flake with a password",
      ["x", "--no-install", "--flake", "git+https://me:canary@example.com/x"],
      "invalid-value",
      3,
    ],
    ["a flake that ends Nix's string", ["x", "--no-install", "--flake", 'github:a/b"; x = "'], "invalid-value", 3],
    [
      "a remote with a token",
      ["x", "--no-install", "--repository", "https://canary@github.com/me/x"],
      "invalid-value",
      3,
    ],
    ["a package file that is not there", ["x", "--package", "none.tgz"], "file-invalid", 3],
    ["a development version that npm does not have", ["x"], "missing-setting", 3],
    ["an upstream project that is not there", ["x", "--no-install", "--from", "none"], "file-missing", 3],
    ["JSON with an unknown option", ["x", "--from-json", "odd.json"], "unknown-setting", 3],
  ])(
    "refuses %s, and leaves nothing",
    async (_, args, code, exit) => {
      writeFileSync(join(parent, "odd.json"), '{"instal": false}');
      const { exitCode, stdout } = await start([...args, "--json"]);
      expect([exitCode, JSON.parse(stdout).problems[0].code]).toEqual([exit, code]);
      expect(stdout).not.toContain("canary");
      expect(here()).toEqual(["odd.json"]);
    },
    60_000,
  );

  it("leaves nothing when npm fails, and says what npm said", async () => {
    const bin = join(parent, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "npm"), "#!/bin/sh\necho 'npm error 404 no such package' >&2\nexit 1\n");
    chmodSync(join(bin, "npm"), 0o755);
    const tarball = await tarballOf({ name: "@clawdlets/infra", version: "9.9.9" });
    const before = here();
    const { exitCode, stderr } = await start(["x", "--package", tarball], { PATH: `${bin}:${process.env["PATH"]}` });
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/npm install failed\. Nothing was left behind[\s\S]*404/),
    ]);
    expect(here()).toEqual(before);
  }, 60_000);

  it.each(["SIGINT", "SIGTERM"] as const)(
    "leaves nothing at %s",
    async (signal) => {
      const bin = join(parent, "bin");
      mkdirSync(bin);
      writeFileSync(join(bin, "npm"), "#!/bin/sh\nexec sleep 60\n");
      chmodSync(join(bin, "npm"), 0o755);
      const tarball = await tarballOf({ name: "@clawdlets/infra", version: "9.9.9" });
      const before = here();
      const child = start(["x", "--package", tarball], { PATH: `${bin}:${process.env["PATH"]}` });
      child.stderr?.on("data", (text: Buffer) => {
        if (text.toString().includes("installing packages")) child.kill(signal);
      });
      const { exitCode } = await child;
      expect(exitCode).toBe(signal === "SIGINT" ? 130 : 143);
      expect(here()).toEqual(before);
    },
    60_000,
  );

  it("refuses a tarball of something else", async () => {
    const tarball = await tarballOf({ name: "other", version: "1.0.0" });
    writeFileSync(join(parent, "text.tgz"), "no archive");
    for (const file of [tarball, "text.tgz"]) {
      const { exitCode, stdout } = await start(["x", "--package", file, "--json"]);
      expect([exitCode, JSON.parse(stdout).problems[0].code]).toEqual([3, "file-invalid"]);
    }
  }, 60_000);

  async function tarballOf(manifest: object): Promise<string> {
    mkdirSync(join(parent, "package"));
    writeFileSync(join(parent, "package", "package.json"), JSON.stringify(manifest));
    await execa("tar", ["-czf", "x.tgz", "package"], { cwd: parent });
    return join(parent, "x.tgz");
  }
});

describe("the place of a new repository", () => {
  const problemOf = (given: string) =>
    checkPlace(given, parent).problems.map(({ code, problem }) => `${code}: ${problem}`);

  it("is a new folder, or an empty one, also behind a link", () => {
    mkdirSync(join(parent, "empty"));
    symlinkSync("empty", join(parent, "link"));
    expect(checkPlace("new", parent).value).toEqual({ folder: join(parent, "new"), exists: false });
    for (const given of ["empty", "link"]) {
      expect(checkPlace(given, parent).value).toEqual({ folder: join(parent, "empty"), exists: true });
    }
    expect(checkPlace(".", join(parent, "empty")).value?.exists).toBe(true);
  });

  it("is not full, and what is there is named", () => {
    mkdirSync(join(parent, "full"));
    for (const name of ["a", "b", "c", "d", "e"]) writeFileSync(join(parent, "full", name), "");
    expect(problemOf("full")).toEqual(["file-in-the-way: is not empty: it has a, b, c and 2 more."]);
  });

  it("is not a file, a broken link, below a folder that is not there, or inside .clawdlets", () => {
    writeFileSync(join(parent, "file"), "");
    symlinkSync("nowhere", join(parent, "broken"));
    mkdirSync(join(parent, ".clawdlets/x"), { recursive: true });
    symlinkSync(".clawdlets/x", join(parent, "hidden"));
    for (const given of ["file", "broken"])
      expect(problemOf(given)).toEqual(["file-in-the-way: exists, and is not a folder."]);
    expect(problemOf("none/x")).toEqual([expect.stringMatching(/^file-missing: there is no folder/)]);
    for (const [above, given] of [
      ["file", "file/x"],
      ["file", "file/x/y"],
      ["broken", "broken/x/y"],
    ])
      expect(problemOf(given ?? "")).toEqual([
        `file-in-the-way: is below ${join(parent, above ?? "")}, which is not a folder.`,
      ]);
    for (const given of [".clawdlets/new", "hidden/new", "hidden"]) {
      expect(problemOf(given)).toEqual([expect.stringMatching(/^invalid-value: is inside \.clawdlets/)]);
    }
  });

  it("has a name that is quoted with its line break spelled out", () => {
    expect(nameProblems(join(parent, "a\nb"))[0]?.problem).toContain('"a\\nb" cannot be the project\'s name');
  });

  it("is not inside a git repository, neither its work tree nor a bare one", () => {
    git(parent, "init", "--quiet", "tree");
    git(parent, "init", "--quiet", "--bare", "bare");
    mkdirSync(join(parent, "tree", "sub"));
    for (const given of ["tree/x", "tree/sub", "bare/x"]) {
      expect(problemOf(given)).toEqual([expect.stringMatching(/^file-in-the-way: is inside the git repository/)]);
    }
  });
});

describe("the flake's input", () => {
  it.each([
    ["github:acme/clawdlets", "github:acme/clawdlets/0123", undefined],
    ["git+ssh://git@example.com/x", "git+ssh://git@example.com/x?rev=0123", undefined],
    [undefined, "github:CHANGE_ME/clawdlets", undefined],
    [undefined, "git+file:///clone?rev=0123", "/clone"],
  ])("of a commit with the origin %s is %s", (origin, url, clone) => {
    expect(sourceOf({ rev: "0123", time: 1, origin }, clone).url).toBe(url);
  });

  it.each(["github:acme/hosts", "git+https://example.com/x?ref=main", "git+ssh://git@example.com/x.git"])(
    "may be %s",
    (uri) => {
      expect(flakeProblems(uri)).toEqual([]);
    },
  );

  it.each(["", "-x", "path:/x", "../x", "github:a/b#c", "git+https://a:b@example.com/x", "https://x y"])(
    "may not be %j",
    (uri) => {
      expect(flakeProblems(uri)).toHaveLength(1);
    },
  );
});

it("a new repository's program and workflow are those of the example for GitHub Actions", () => {
  const files = newFiles("acme-bots", { url: "github:acme/clawdlets" });
  const example = (path: string) => readFileSync(join(repository, "examples/github-actions", path), "utf8");
  const body = (text = "") => text.slice(text.indexOf("\n"));
  expect(files.get("index.ts")).toBe(example("index.ts"));
  expect(body(files.get(".github/workflows/preview.yml"))).toBe(body(example(".github/workflows/preview.yml")));
  const lines = (text = "") => text.split("\n").filter((line) => !line.startsWith("description:"));
  expect(lines(files.get("Pulumi.yaml"))).toEqual(lines(example("Pulumi.yaml")));
});

it.each([
  "",
  "my-bots",
  "/srv/my-bots",
  "../my-bots",
  "file:///srv/my-bots",
  "git+file:///srv/my-bots",
  "http://github.com/me/x",
  "https://github.com",
  "https://github.com/me/../x",
  "https://github.com/me/x?ref=main",
  "https://github.com/me/x#web-1",
  "github:me/x/main",
  "github:me",
  "--upload-pack=touch",
  "git@github.com:-x",
  "ssh://-oProxyCommand=x@h/y",
  "ext::sh -c x",
  'https://github.com/me/x"; y = "',
  "https://github.com/me/x\n",
])("refuses a repository at %j", (given) => {
  expect(ownRepository(given).problems).toEqual([
    expect.objectContaining({ code: "invalid-value", setting: "--repository" }),
  ]);
});
