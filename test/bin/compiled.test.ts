import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../_project.ts";

/** A package of its own, with a program and a command of a few lines in place of ours. */
const repository = resolve(import.meta.dirname, "../..");
let root: string;

beforeEach(() => {
  root = temporaryFolder();
  cpSync(join(repository, "bin"), join(root, "bin"), { recursive: true });
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  write("package.json", '{ "type": "module" }');
  write("package-lock.json", "{}");
  write("index.ts", 'import { word } from "./core/word.ts";\nexport const said: string = word;\n');
  write("cli/main.ts", 'import { word } from "../core/word.ts";\nconsole.log(`${word} ${import.meta.url}`);\n');
  write("core/word.ts", 'export const word: string = "first";\n');
});

function write(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

const clawdlets = (env: Record<string, string> = {}) =>
  execa(process.execPath, [join(root, "bin/clawdlets.mjs")], { cwd: root, reject: false, env });

/** What the engine's language host does, with a program that says what it exports. */
const program = () =>
  execa(
    process.execPath,
    [
      "--import",
      "./bin/program.mjs",
      "--input-type=module",
      "-e",
      `console.log(JSON.stringify(await import(${JSON.stringify(pathToFileURL(join(root, "index.ts")).href)})))`,
    ],
    { cwd: root, reject: false },
  );

const current = (part: string): { hash: string; inputs: string[] } =>
  JSON.parse(readFileSync(join(root, ".toolchain/build", `${part}.json`), "utf8"));

describe("program and commands put together", () => {
  it("are made at the first run, and loaded from there afterwards", async () => {
    expect((await clawdlets()).stdout).toMatch(/^first /);
    const { hash, inputs } = current("cli");
    expect(inputs).toEqual(["bin/compiled/build.mjs", "cli/main.ts", "core/word.ts", "package-lock.json"]);
    // Proof that the sources are not read again: what was made says something else.
    const made = join(root, ".toolchain/build", hash, "main.mjs");
    writeFileSync(made, readFileSync(made, "utf8").replace("first", "kept"));
    expect((await clawdlets()).stdout).toMatch(/^kept /);
  });

  it("know themselves by the place of their source", async () => {
    expect((await clawdlets()).stdout).toBe(`first ${pathToFileURL(join(root, "cli/main.ts")).href}`);
  });

  it("are made again when a source has changed, whatever its time says", async () => {
    await clawdlets();
    await program();
    const before = { cli: current("cli").hash, program: current("program").hash };
    write("core/word.ts", 'export const word: string = "other";\n');
    await execa("touch", ["--date=2001-01-01", join(root, "core/word.ts")]);
    expect((await clawdlets()).stdout).toMatch(/^other /);
    expect(JSON.parse((await program()).stdout)).toEqual({ said: "other" });
    expect(current("cli").hash).not.toBe(before.cli);
    expect(current("program").hash).not.toBe(before.program);
  });

  it("a change of a command leaves the program as it is", async () => {
    await program();
    const before = current("program");
    appendFileSync(join(root, "cli/main.ts"), "console.log(1);\n");
    await program();
    expect(current("program")).toEqual(before);
  });

  it("are made again when packages change, or when one was half deleted", async () => {
    await clawdlets();
    const { hash } = current("cli");
    write("package-lock.json", '{ "other": true }');
    await clawdlets();
    expect(current("cli").hash).not.toBe(hash);
    rmSync(join(root, ".toolchain/build", current("cli").hash), { recursive: true });
    expect((await clawdlets()).stdout).toMatch(/^first /);
  });

  it("two at once make the same", async () => {
    const runs = await Promise.all([clawdlets(), clawdlets(), program(), program()]);
    expect(runs.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(Array(4).fill([0, ""]));
  });

  it("say file, line and what to do when a source is broken, and neither runs the former one", async () => {
    await clawdlets();
    write("core/word.ts", "export const word: string = ;\n");
    for (const { exitCode, stderr, stdout } of [await clawdlets(), await program()]) {
      expect(exitCode).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toContain("core/word.ts:1:29: Unexpected");
      expect(stderr).toContain("Fix them, or restore them");
    }
  });

  it("show the source's line when they fail", async () => {
    write(
      "core/word.ts",
      '\n\n// Three lines above.\nexport const word: string = fail();\nfunction fail(): string {\n  throw new Error("planted");\n}\n',
    );
    const { stderr } = await clawdlets();
    expect(stderr).toContain("planted");
    expect(stderr).toMatch(/core\/word\.ts:6/);
  });

  it("are TypeScript as it stands where nothing can be kept", async () => {
    // Root may write anywhere: someone else runs it then.
    const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    chmodSync(root, 0o555);
    const env = { HOME: root };
    const command = [join(root, "bin/clawdlets.mjs")];
    const { stdout, stderr } = await execa(process.execPath, command, { cwd: "/", reject: false, env, ...asNobody });
    chmodSync(root, 0o755);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^first /);
    expect(existsSync(join(root, ".toolchain"))).toBe(false);
  });

  it("a program's failure shows the source's line to @pulumi/pulumi's own handler", async () => {
    write(
      "core/word.ts",
      '\n\nexport const word: string = fail();\nfunction fail(): string {\n  throw new Error("planted");\n}\n',
    );
    const library = JSON.stringify(join(repository, "node_modules/@pulumi/pulumi/cmd/run/index.js"));
    const script = `
      import { createRequire } from "node:module";
      createRequire(${library})("source-map-support/register");
      process.on("unhandledRejection", (error) => console.log(error.stack));
      import(${JSON.stringify(pathToFileURL(join(root, "index.ts")).href)});
    `;
    const args = ["--import", "./bin/program.mjs", "--input-type=module", "-e", script];
    const { stdout } = await execa(process.execPath, args, { cwd: root, reject: false });
    expect(stdout).toMatch(/planted\n.*core\/word\.ts:5/);
  });

  it("another index.ts than ours is TypeScript as ever", async () => {
    const folder = temporaryFolder();
    for (const each of ["bin", "node_modules"]) symlinkSync(join(root, each), join(folder, each));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "index.ts"), "const own: string = 'theirs';\nexport { own };\n");
    const script = "console.log(JSON.stringify(await import('./index.ts')))";
    writeFileSync(join(folder, "run.mjs"), script);
    const { stdout } = await execa(process.execPath, ["--import", "./bin/program.mjs", "run.mjs"], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual({ own: "theirs" });
  });
});
