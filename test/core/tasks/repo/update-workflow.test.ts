import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { path } from "../../../_debian.ts";
import { describeWith } from "../../../_needs.ts";
import { temporaryFolder } from "../../../_project.ts";
import { repository } from "../../../_repository.ts";

vi.setConfig({ testTimeout: 120_000 });

const workflow = z.object({
  jobs: z.object({
    update: z.object({
      steps: z.array(
        z.object({
          name: z.string().optional(),
          id: z.string().optional(),
          if: z.string().optional(),
          run: z.string().optional(),
          env: z.record(z.string(), z.string()).optional(),
        }),
      ),
    }),
  }),
});
/** This repository's own, and the one that a repository of hosts gets. */
const files = [".github/workflows/update.yml", "core/tasks/repo/workflows/update.yml"] as const;
const stepsOf = (file: string) =>
  workflow
    .parse(parse(readFileSync(join(repository, file), "utf8")))
    .jobs.update.steps.flatMap(({ run, ...step }) => (run ? [{ ...step, run }] : []));
const token = "canary-0123456789-of-a-workflow";

/** In place of GitHub's program: one pull request at most is open; a second `create` is refused. */
const gh = (folder: string) => `#!/bin/sh
echo "gh $*" >>'${folder}/calls'
[ "$GH_TOKEN" = ${token} ] || exit 4
case "$1 $2" in
  "auth setup-git") ;;
  "pr create") [ ! -e '${folder}/open' ] || { echo "a pull request already exists" >&2; exit 1; }; : >'${folder}/open'; cp body.md '${folder}/body' ;;
  "pr edit") [ -e '${folder}/open' ] && cp body.md '${folder}/body' ;;
  *) exit 1 ;;
esac
`;

/** In place of the preview, which has its own tests: it evaluates the host with the real nix, and fails if that fails. */
const npx = `#!/bin/sh
case "$*" in
  "--no-install clawdlets preview --ci --all --base "*" --format markdown") ;;
  *) exit 64 ;;
esac
nix eval --raw .#nixosConfigurations.web-1.config.system.build.toplevel.outPath 2>&1
`;

/** A repository of hosts with one input, a remote, and the runner's checkout. Real git and nix; what is in bin is a stand-in. */
async function lab(file: (typeof files)[number]) {
  const steps = stepsOf(file);
  const folder = temporaryFolder();
  for (const name of ["bin", "home", "input", "hosts"]) mkdirSync(join(folder, name));
  for (const [name, script] of Object.entries({ gh: gh(folder), npx, npm: "#!/bin/sh\n" })) {
    writeFileSync(join(folder, "bin", name), script);
    chmodSync(join(folder, "bin", name), 0o755);
  }
  const env = {
    PATH: [join(folder, "bin"), path].join(delimiter),
    HOME: join(folder, "home"),
    NIX_REMOTE: `local?root=${join(folder, "store")}`,
    NIX_CONFIG: "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\n",
    LC_ALL: "C",
  };
  const git = async (at: string, ...args: string[]) =>
    (
      await execa("git", ["-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args], {
        cwd: join(folder, at),
        env,
        extendEnv: false,
      })
    ).stdout;
  /** A new version of the input. */
  const release = async (system: string) => {
    writeFileSync(join(folder, "input/flake.nix"), `{ outputs = _: { system = ${system}; }; }\n`);
    await git("input", "add", "--all");
    await git("input", "commit", "--quiet", "--allow-empty", "-m", "release");
    return git("input", "rev-parse", "HEAD");
  };
  const built = (name: string) => `derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; }`;
  await git("input", "init", "--quiet", "--initial-branch=main");
  const first = await release(built("one"));
  const flake = `{
  inputs.it.url = "git+file://${join(folder, "input")}?ref=main";
  outputs = { self, it }: { nixosConfigurations.web-1.config.system.build.toplevel = it.system; };
}
`;
  writeFileSync(join(folder, "hosts/flake.nix"), flake);
  await git("hosts", "init", "--quiet", "--initial-branch=main");
  await git("hosts", "add", "--all");
  await execa("nix", ["flake", "lock"], { cwd: join(folder, "hosts"), env, extendEnv: false });
  await git("hosts", "add", "--all");
  await git("hosts", "commit", "--quiet", "-m", "hosts");
  await git(".", "clone", "--quiet", "--bare", "hosts", "origin.git");
  let runs = 0;
  /** Does the steps as a runner does, in a fresh checkout. @returns the step that failed, with what was printed */
  const run = async () => {
    runs += 1;
    const checkout = `checkout-${runs}`;
    await git(".", "clone", "--quiet", "origin.git", checkout);
    const output = join(folder, `output-${runs}`);
    writeFileSync(output, "");
    let all = "";
    for (const step of steps) {
      if (step.if !== undefined) {
        expect(step.if).toBe("steps.inputs.outputs.changed == 'yes'");
        if (!readFileSync(output, "utf8").includes("changed=yes")) continue;
      }
      const secrets = step.env?.["GH_TOKEN"] && { GH_TOKEN: token };
      const more = { GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: join(folder, "summary"), BASE: "main", ...secrets };
      const script = join(folder, "step.sh");
      writeFileSync(script, step.run);
      const options = {
        cwd: join(folder, checkout),
        env: { ...env, ...more },
        extendEnv: false,
        reject: false,
        all: true,
      };
      const { exitCode, all: said } = await execa("bash", ["-e", script], options); // As GitHub runs it.
      all += `${said}\n`;
      if (exitCode !== 0) return { failed: step.name, all };
    }
    return { failed: undefined, all };
  };
  const locked = async (branch: string) => {
    const lock = await git("origin.git", "show", `${branch}:flake.lock`).catch(() => "");
    return /"rev": "([0-9a-f]{40})"/.exec(lock)?.[1];
  };
  const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  const calls = () =>
    read("calls")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ").slice(0, 3).join(" "));
  return { first, release, built, run, locked, read, calls, git };
}

describeWith({ programs: ["nix", "git", "bash"] }, "the weekly update, with the real nix and git", () => {
  describe.each(files)("%s", (file) => {
    it("does nothing where no input has changed", async () => {
      const { run, locked, calls } = await lab(file);
      expect(await run()).toMatchObject({ failed: undefined });
      expect([await locked("clawdlets-update"), calls()]).toEqual([undefined, []]);
    });

    it("pushes a branch with the new lock file alone, and opens a pull request that says what changed", async () => {
      const { first, release, built, run, locked, read, calls, git } = await lab(file);
      const second = await release(built("two"));
      const { failed, all } = await run();
      expect(failed, all).toBeUndefined();
      expect([await locked("main"), await locked("clawdlets-update")]).toEqual([first, second]);
      expect(await git("origin.git", "diff", "--name-only", "main", "clawdlets-update")).toBe("flake.lock");
      expect(calls()).toEqual(["gh auth setup-git", "gh pr create"]);
      expect(read("body")).toContain(first);
      expect(read("body")).toContain(second);
      expect(read("body")).toMatch(/Exit code of [\w -]+: 0/);
      expect(`${all}${read("body")}${read("summary")}${read("calls")}`).not.toContain(token);
    });

    it("renews the branch and the open pull request in a second run", async () => {
      const { release, built, run, locked, read, calls } = await lab(file);
      await release(built("two"));
      await run();
      const third = await release(built("three"));
      const { failed, all } = await run();
      expect(failed, all).toBeUndefined();
      expect(await locked("clawdlets-update")).toBe(third);
      expect(calls()).toEqual(["gh auth setup-git", "gh pr create", "gh auth setup-git", "gh pr create", "gh pr edit"]);
      expect(read("body")).toContain(third);
    });

    it("takes over a branch that is left from a pull request that was closed", async () => {
      const { release, built, run, locked, git } = await lab(file);
      await git("origin.git", "branch", "clawdlets-update", "main");
      const second = await release(built("two"));
      expect(await run()).toMatchObject({ failed: undefined });
      expect(await locked("clawdlets-update")).toBe(second);
    });

    it("opens the pull request of an update that does not evaluate, too, and says so", async () => {
      const { release, run, read, calls } = await lab(file);
      await release('throw "canary of an evaluation"');
      const { failed, all } = await run();
      expect(failed, all).toBeUndefined();
      expect(calls()).toContain("gh pr create");
      expect(read("body")).toMatch(/Exit code of [\w -]+: [1-9]/);
      expect(read("body")).toContain("canary of an evaluation");
    });

    it("shows why the inputs could not be updated", async () => {
      const { run, git, locked, calls } = await lab(file);
      await git("input", "branch", "--move", "main", "gone");
      const { failed, all } = await run();
      expect(failed).toBe("Update flake.lock");
      expect(all).toMatch(/main/);
      expect([await locked("clawdlets-update"), calls()]).toEqual([undefined, []]);
    });
  });
});
