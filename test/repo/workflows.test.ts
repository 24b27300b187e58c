import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { parse, parseDocument, visit } from "yaml";
import { checkTool, repository } from "../_check-tools.ts";

const folders = [".github/workflows", "core/tasks/repo/workflows"];
const files = folders.flatMap((folder) =>
  readdirSync(join(repository, folder)).flatMap((name) => (name === "dependabot.yml" ? [] : [`${folder}/${name}`])),
);
const textOf = (file: string) => readFileSync(join(repository, file), "utf8");

interface Pin {
  version: string;
  sha: string;
}
const { $comment: _, ...pins }: Record<string, Pin | string> = JSON.parse(textOf(".github/actions-pins.json"));
const pinOf = (action: string) => pins[action.split("/").slice(0, 2).join("/")] as Pin | undefined;

interface Job {
  permissions?: Record<string, string>;
  "timeout-minutes"?: number;
  steps: { uses?: string; with?: Record<string, unknown>; run?: string }[];
}
interface Workflow {
  on: Record<string, unknown>;
  permissions?: unknown;
  concurrency?: { group?: string };
  jobs: Record<string, Job>;
}

test("the workflows there are", () => {
  expect(files.map((file) => file.split("/").at(-1)).sort()).toEqual(
    [
      "ci",
      "codeql",
      "nightly",
      "nix",
      "preview",
      "preview",
      "release",
      "scorecard",
      "secret-scan",
      "secret-scan",
      "update",
      "update",
    ].map((name) => `${name}.yml`),
  );
});

describe.each(files)("%s", (file) => {
  const text = textOf(file);
  const workflow: Workflow = parse(text);
  const jobs = Object.values(workflow.jobs);

  test("uses Actions by the commits of the pins data alone, each with its version beside it", () => {
    const uses = text.split("\n").filter((line) => /^\s*(- )?uses:/.test(line));
    // By the parser as well: a line could be spelt so that only YAML sees it.
    let seen = 0;
    visit(parseDocument(text), {
      Pair(_key, { key }) {
        if (String(key) === "uses") seen++;
      },
    });
    expect(uses).toHaveLength(seen);
    for (const line of uses) {
      const [, action = "", sha = "", version = ""] = /uses: ([\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)$/.exec(line) ?? [];
      expect(pinOf(action), line).toMatchObject({ sha, version });
    }
  });

  test("has no rights but those that a job names, a deadline for each job, and one run at a time", () => {
    expect(workflow.permissions).toEqual({});
    expect(workflow.concurrency?.group).toMatch(/github\.ref/);
    for (const job of jobs) {
      expect(job.permissions).toBeDefined();
      expect(Object.values(job.permissions ?? {})).not.toContain("write-all");
      expect(job["timeout-minutes"]).toBeGreaterThan(0);
    }
  });

  test("keeps no credentials in the checkout", () => {
    for (const step of jobs.flatMap(({ steps }) => steps)) {
      if (step.uses?.startsWith("actions/checkout@")) expect(step.with?.["persist-credentials"]).toBe(false);
    }
  });

  test("runs nothing of a fork with secrets in reach", () => {
    expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
    expect(Object.keys(workflow.on)).not.toContain("workflow_run");
    if ("pull_request" in workflow.on) {
      expect(text).not.toMatch(/secrets\.\w/);
      for (const { permissions } of jobs) expect(permissions?.["contents"]).toBe("read");
    }
  });
});

/** Path literals of Nix: `./x`, `../x/y.sh`; those of a folder that is known only later do not begin with a dot. */
function pathsIn(file: string): string[] {
  const code = textOf(file).replace(/(^|\s)#.*$/gm, "");
  return [...code.matchAll(/(?<![\w./"])\.\.?(?:\/[\w.-]+)+/g)].map(([path]) => posix.join(posix.dirname(file), path));
}

test("the flake's workflow runs for every file that the flake and its checks read", async () => {
  const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: repository,
  });
  const tracked = stdout.split("\n");
  const nixFiles = tracked.filter((file) => file.endsWith(".nix"));
  const named = nixFiles.filter((file) => /^(nix\/|flake\.nix)/.test(file)).flatMap(pathsIn);
  expect(named).toContain("core/project/secrets/plan.json");
  // Formatting and linters go through the whole tree.
  const read = tracked.filter(
    (file) =>
      file.endsWith(".nix") ||
      file === "flake.lock" ||
      named.some((path) => file === path || file.startsWith(`${path}/`)),
  );
  const { on } = parse(textOf(".github/workflows/nix.yml"));
  const patterns: string[] = on.pull_request.paths;
  const matches = (file: string) => patterns.some((pattern) => matchesGlob(file, pattern));
  expect(read.filter((file) => !matches(file))).toEqual([]);
  expect(patterns.filter((pattern) => !tracked.some((file) => matchesGlob(file, pattern)))).toEqual([]);
});

/** As GitHub matches paths: `*` within a folder, `**` through folders. */
function matchesGlob(file: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*\*\/|\*\*|\*/g, (star) => (star === "**/" ? "(?:.*/)?" : star === "**" ? ".*" : "[^/]*"));
  return new RegExp(`^${source}$`).test(file);
}

test("every pin is a full commit with its version, and is used", () => {
  const all = files.map(textOf).join("\n");
  for (const [action, pin] of Object.entries(pins)) {
    expect(pin, action).toMatchObject({
      sha: expect.stringMatching(/^[0-9a-f]{40}$/),
      version: expect.stringMatching(/^v\d+\.\d+\.\d+$/),
    });
    expect(all).toContain(`uses: ${action}`);
  }
});

test("Dependabot looks weekly after npm, Actions and Go, grouped, with a cool-down, and merges nothing", () => {
  const { updates } = parse(textOf(".github/dependabot.yml"));
  expect(updates.map((each: Record<string, string>) => each["package-ecosystem"])).toEqual([
    "npm",
    "github-actions",
    "gomod",
  ]);
  for (const update of updates) {
    expect(update.schedule.interval).toBe("weekly");
    expect(update.cooldown["default-days"]).toBeGreaterThanOrEqual(7);
    expect(Object.keys(update.groups).length).toBeGreaterThan(0);
  }
  expect(files.map(textOf).join("\n")).not.toMatch(/--auto\b|automerge|gh pr merge/);
});

test("what decides over safety is listed for an owner to fill in, and no account is named that may not exist", () => {
  const owners = textOf(".github/CODEOWNERS");
  for (const path of ["/.github/", "/policy/", "/.gitleaks.toml", "/package-lock.json"])
    expect(owners).toMatch(new RegExp(`^# ${path.replace(/[*.]/g, "\\$&")} @OWNER$`, "m"));
  expect(owners.match(/@[\w-]+/g)?.filter((owner) => owner !== "@OWNER")).toEqual([]);
});

const actionlint = await checkTool("actionlint");
test.runIf(actionlint !== undefined)("actionlint finds nothing, and does find a fault", async () => {
  const run = (args: string[], input?: string) =>
    execa(actionlint ?? "", args, { cwd: repository, reject: false, all: true, ...(input !== undefined && { input }) });
  const { exitCode, all } = await run(files);
  expect(all).toBe("");
  expect(exitCode).toBe(0);
  const broken = await run(["-"], textOf(files[0] ?? "").replace("timeout-minutes", "timeout-minuets"));
  expect(broken.exitCode).not.toBe(0);
});

const zizmor = await checkTool("zizmor");
test.runIf(zizmor !== undefined)("zizmor finds nothing, with nothing ignored, and does find a fault", async () => {
  const args = ["--offline", "--persona=auditor", "--no-progress", "--no-config", "--format=json"];
  const run = (more: string[], input?: string) =>
    execa(zizmor ?? "", [...args, ...more], { cwd: repository, reject: false, ...(input !== undefined && { input }) });
  const { exitCode, stdout, stderr } = await run([".github", ...files]);
  expect(JSON.parse(stdout), stderr).toEqual([]);
  expect(exitCode).toBe(0);
  expect(files.map(textOf).join("\n")).not.toMatch(/zizmor: ignore/);
  const broken = await run(["-"], textOf(".github/workflows/ci.yml").replace(/@[0-9a-f]{40} # v[\d.]+/, "@main"));
  expect(broken.exitCode).not.toBe(0);
});
