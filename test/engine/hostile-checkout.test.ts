import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { checkLocalFolder } from "../../core/project/hygiene.ts";
import { engineEnvironment, packageRoot, prepareState, shellEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { copyTree, exportRevision } from "../../engine/preview/tree.ts";
import { project, temporaryFolder, token } from "../_project.ts";

const host = "clawdbot-fleet-host";
const githubToken = "github_pat_of_a_hostile_checkout_0123456789";

/** A project whose git configuration has a monitor and a filter that note the environment they are started with. */
async function hostileCheckout() {
  const engine = findEngine(process.cwd()) ?? expect.fail("no engine: sh scripts/setup.sh");
  const layout = project();
  const dump = join(temporaryFolder(), "dump");
  copyFileSync("Pulumi.yaml", join(layout.root, "Pulumi.yaml"));
  appendFileSync(join(layout.dir, ".env"), `GITHUB_TOKEN=${githubToken}\n`);
  await writePrivateFile(layout.passphrase, "test");
  prepareState(layout, host);
  mkdirSync(join(layout.root, "node_modules"));
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\nnode_modules/\n");
  writeFileSync(join(layout.root, ".gitattributes"), "*.yaml filter=evil\n");
  const git = (...args: string[]) => execa("git", args, { cwd: layout.root });
  await git("init", "--quiet");
  await git("add", "--all");
  await git("-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false", "commit", "-qm", "one");
  const monitor = join(dump, "..", "monitor");
  writeFileSync(monitor, `#!/bin/sh\nenv >> '${dump}'\n`, { mode: 0o755 });
  await git("config", "core.fsmonitor", monitor);
  await git("config", "filter.evil.clean", `env >> '${dump}'; cat`);
  await git("config", "filter.evil.smudge", `env >> '${dump}'; cat`);
  const seen = () => {
    const text = existsSync(dump) ? readFileSync(dump, "utf8") : undefined;
    rmSync(dump, { force: true });
    return text;
  };
  const environment = engineEnvironment(layout, engine);
  const preview = (program: string, env: Readonly<Record<string, string>>) =>
    execa(program, ["preview", "--stack", host, "--non-interactive"], {
      cwd: layout.root,
      env,
      reject: false,
      all: true,
    });
  await execa(engine.pulumi, ["stack", "init", host, "--non-interactive"], { cwd: layout.root, env: environment });
  return { layout, engine, environment, preview, seen };
}

it("starts nothing of its git configuration from the engine, by our commands or by hand", async () => {
  const { layout, engine, environment, preview, seen } = await hostileCheckout();
  const { GIT_DIR: _, ...without } = environment;
  await preview(engine.pulumi, without);
  expect(seen(), "the engine's own git status would have").toContain(token);
  const { all } = await preview(engine.pulumi, environment);
  expect(all).toContain("Previewing update");
  expect(seen()).toBeUndefined();
  const shell = shellEnvironment(layout, engine);
  expect(shell).not.toHaveProperty("GIT_DIR");
  expect((await preview("pulumi", { ...shell, GITHUB_TOKEN: githubToken })).all).toContain("Previewing update");
  expect(seen()).toBeUndefined();
  const [folder = ""] = (shell["PATH"] ?? "").split(":");
  expect(folder).toBe(join(packageRoot, "bin"));
}, 120_000);

it("gives the engine no GITHUB_TOKEN, neither the file's nor the shell's", async () => {
  const { environment } = await hostileCheckout();
  expect(environment).not.toHaveProperty("GITHUB_TOKEN");
  expect(Object.values(environment).join("\n")).not.toContain(githubToken);
}, 60_000);

it("starts nothing of it when a preview copies the work tree and another revision", async () => {
  const { layout, seen } = await hostileCheckout();
  const into = temporaryFolder();
  await copyTree(layout.root, join(into, "head"));
  await exportRevision(layout.root, "HEAD", join(into, "base"));
  expect(readFileSync(join(into, "base", "Pulumi.yaml"), "utf8")).toContain("clawdlets");
  expect(await checkLocalFolder(layout)).toEqual([]);
  expect(seen()).toBeUndefined();
}, 60_000);
