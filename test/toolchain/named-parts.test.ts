import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, onTestFinished, vi } from "vitest";
import { SettingsError } from "../../core/base/errors.ts";
import type { ProblemCode } from "../../core/base/problem-codes.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { pluginBinary, toolchainPaths } from "../../toolchain/paths.ts";
import { Clone } from "../engine/preview/_clone.ts";
import { commandProgram, repository, stackFor } from "./_stack.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-named-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program that leaves a mark, and then is the other one. */
function marking(name: string, program: string): { path: string; mark: string } {
  const [path, mark] = [join(folder, name), join(folder, `${name}.ran`)];
  writeFileSync(path, `#!/bin/sh\n: > ${mark}\nexec ${program} "$@"\n`, { mode: 0o755 });
  return { path, mark };
}

it("a language host and a command plugin that the environment names are run in place of ours", async () => {
  const own = findEngine(repository, {}) ?? expect.fail("no engine: sh scripts/setup.sh");
  const paths = toolchainPaths(repository);
  const host = marking("host", join(own.binDir, "pulumi-language-nodejs"));
  const plugin = marking("plugin", pluginBinary(paths, "command"));
  const environment = { CLAWDLETS_LANGUAGE_HOST: host.path, CLAWDLETS_COMMAND_PLUGIN: plugin.path };
  // A project's own folders, so that nothing of this test stays in the repository's.
  const root = join(folder, "project");
  mkdirSync(root);
  symlinkSync(paths.root, join(root, ".toolchain"));
  const named = findEngine(root, environment) ?? expect.fail("no engine");
  expect(named).toMatchObject({ origin: own.origin, refusesOthers: false });
  expect(findEngine(root, environment)).toEqual(named);

  const stack = await stackFor(commandProgram);
  Object.assign(stack.env, { PATH: `${named.binDir}:${stack.env["PATH"]}`, PULUMI_HOME: named.pulumiHome });
  stack.pulumi = named.pulumi;
  stack.write("commands.json", JSON.stringify({ hello: { create: "echo hello" } }));
  const { exitCode, all } = await stack.up();
  expect(exitCode, all).toBe(0);
  expect(stack.outputs("hello")).toMatchObject({ stdout: "hello" });
  expect([host.mark, plugin.mark].map((mark) => existsSync(mark))).toEqual([true, true]);
  expect(all).not.toMatch(/warning/);
  rmSync(join(named.binDir, ".."), { recursive: true });
}, 120_000);

// A run with Pulumi's own parts would otherwise test ours, and say that it passed with theirs.
it("the previews of a clone, which see nothing else of the environment, run them too", async () => {
  // A mark would stay in the sandbox of the previews, so this one ends instead.
  const host = join(folder, "host-of-previews");
  writeFileSync(host, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const clone = new Clone(join(folder, "clone"));
  await clone.host("web-1");
  // The preview of a program that is kept loaded needs no language host; one that failed is repeated with one.
  const program = 'import "./components/index.ts";\nthrow new Error("said by the program");\n';
  writeFileSync(join(clone.root, "index.ts"), program);
  await clone.commit("web-1");
  expect((await clone.preview(["--all"])).stdout).toContain("said by the program");
  vi.stubEnv("CLAWDLETS_LANGUAGE_HOST", host);
  onTestFinished(() => void vi.unstubAllEnvs());
  const { exitCode, stdout } = await clone.preview(["--all"]);
  const named = findEngine(repository) ?? expect.fail("no engine");
  rmSync(join(named.binDir, ".."), { recursive: true });
  expect(exitCode, stdout).not.toBe(0);
  expect(stdout).not.toContain("said by the program");
}, 120_000);

it.each(["CLAWDLETS_LANGUAGE_HOST", "CLAWDLETS_COMMAND_PLUGIN"])("%s is refused", (key) => {
  const problem = (path: string) => {
    try {
      findEngine(repository, { [key]: path });
      return undefined;
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      return error.problems.map(({ subject, setting, code }) => ({ subject, setting, code }));
    }
  };
  const refused = (code: ProblemCode) => [{ subject: "the environment", setting: key, code }];
  const program = join(folder, `${key}-program`);
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  expect(problem("bin/sh")).toEqual(refused("invalid-value"));
  expect(problem("/nowhere")).toEqual(refused("program-missing"));
  chmodSync(program, 0o644);
  expect(problem(program)).toEqual(refused("program-missing"));
  chmodSync(program, 0o777);
  expect(problem(program)).toEqual(refused("file-exposed"));
});
