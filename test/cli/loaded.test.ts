import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import { options } from "../../bin/compiled/build.mjs";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

/** Hooks of Node's module loader that write down what is loaded. */
const hooks = `
import { appendFileSync } from "node:fs";
export async function load(url, context, next) {
  appendFileSync(process.env.LOADED, url + "\\n");
  return next(url, context);
}
`;

/** What one run of the real command loads, from its sources: our own modules by their path, packages by their name. */
async function loadedBy(...args: string[]): Promise<{ own: string[]; packages: string[]; exitCode?: number }> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "hooks.mjs"), hooks);
  const start = `import { register } from "node:module"; register(${JSON.stringify(pathToFileURL(join(folder, "hooks.mjs")).href)});`;
  writeFileSync(join(folder, "register.mjs"), start);
  const loaded = join(folder, "loaded");
  const hooked = ["--import", join(repository, "bin/typescript.mjs"), "--import", join(folder, "register.mjs")];
  const { exitCode } = await execa(process.execPath, [...hooked, join(repository, "cli/main.ts"), ...args], {
    cwd: folder,
    env: { LOADED: loaded },
    reject: false,
  });
  const files = readFileSync(loaded, "utf8")
    .split("\n")
    .filter((url) => url.startsWith("file:"))
    .map((url) => relative(repository, fileURLToPath(url)));
  return { ...split(files), ...(exitCode !== undefined && { exitCode }) };
}

function split(files: readonly string[]): { own: string[]; packages: string[] } {
  const packages = files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
  const own = files.filter((file) => !file.includes("node_modules/") && file.endsWith(".ts"));
  return { own: [...new Set(own)].sort(), packages: [...new Set(packages)].sort() };
}

describe("the overview is answered without loading a single command:", () => {
  it.each([
    [["--help"], 0],
    [["--version"], 0],
    [["help"], 0],
    [[], 2],
    [["verfy"], 2],
    [["--json", "status"], 2],
    [["secrets", "--help"], 0],
    [["help", "server"], 0],
  ] as const)("clawdlets %j", async (args, exitCode) => {
    const loaded = await loadedBy(...args);
    expect(loaded.exitCode).toBe(exitCode);
    expect(loaded.packages).toEqual(["commander"]);
    expect(loaded.own.filter((file) => file.startsWith("cli/"))).toEqual([
      "cli/command-line/refusals.ts",
      "cli/commands.ts",
      "cli/main.ts",
      "cli/program.ts",
      "cli/screen/active.ts",
      "cli/shared/ending.ts",
      "cli/shared/output.ts",
    ]);
    expect(loaded.own.length).toBeLessThanOrEqual(18);
  });
});

describe("a command is loaded with what it needs, however it is asked for:", () => {
  it.each([
    [["secrets", "path", "--help"], "cli/secrets/path.ts"],
    [["help", "ssh"], "cli/ssh.ts"],
    [["window", "close", "--help"], "cli/window.ts"],
  ] as const)("clawdlets %j", async (args, module) => {
    const { own, exitCode } = await loadedBy(...args);
    expect(exitCode).toBe(0);
    expect(own).toContain(module);
    expect(own.filter((file) => commandModules().includes(file))).toEqual([module, ...(needed[module] ?? [])].sort());
  });
});

/** Commands whose work is part of another's. */
const needed: Readonly<Record<string, readonly string[]>> = {
  "cli/init.ts": ["cli/secrets/init.ts"],
};

/** The modules that cli/commands.ts loads late. */
function commandModules(): string[] {
  const text = readFileSync(join(repository, "cli/commands.ts"), "utf8");
  return [...new Set([...text.matchAll(/import\("\.\/([^"]+)"\)\)\.\w+Command/g)].map(([, file]) => `cli/${file}`))];
}

/** Every import of the sources that is not `await import(…)`: what loading a module loads too. */
describe("by the imports of the sources", () => {
  let inputs: Record<string, { imports: { path: string; kind: string; external?: boolean }[] }> = {};
  beforeAll(async () => {
    const entryPoints = ["cli/main.ts"];
    const made = await build({ ...options, entryPoints, splitting: true, outdir: temporaryFolder(), write: false });
    inputs = made.metafile?.inputs ?? {};
  });

  function loadedWith(module: string, seen = new Set<string>()): Set<string> {
    if (seen.has(module)) return seen;
    seen.add(module);
    for (const { path, kind } of inputs[module]?.imports ?? []) if (kind !== "dynamic-import") loadedWith(path, seen);
    return seen;
  }

  it.each(commandModules())("%s loads no other command, and not the engine's library", (module) => {
    expect(Object.keys(inputs)).toContain(module);
    const loaded = [...loadedWith(module)];
    const others = loaded.filter((file) => commandModules().includes(file) && file !== module);
    expect(others.filter((file) => !needed[module]?.includes(file))).toEqual([]);
    expect(loaded.filter((file) => file.startsWith("@pulumi/") || file === "esbuild")).toEqual([]);
  });
});
