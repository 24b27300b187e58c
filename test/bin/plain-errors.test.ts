import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { bareEnvironment } from "../../engine/preview/backend.ts";
import { temporaryFolder } from "../_project.ts";
import { engine, repository } from "../toolchain/_stack.ts";

/**
 * Prints an error as Pulumi's library does. Node underlines the name of the package in it, once it has searched the frame for it. With
 * Node 20, and a frame of that library, the search takes a minute.
 */
const printing = `
  const { inspect } = require("node:util");
  const error = new Error("it broke here");
  error.stack = "Error: it broke here\\n    at x (/a/node_modules/some-package/index.js:1:1)";
  process.on("exit", () => console.log(inspect(error, { colors: true })));`;

/** @returns what a process with these options of Node prints, in a folder with a program that is not ours */
async function printedBy(options: string[], env: Record<string, string> = {}): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "index.ts"), "");
  writeFileSync(join(folder, "print.cjs"), printing);
  const { stdout } = await execa(process.execPath, [...options, "./print.cjs"], { cwd: folder, env, extendEnv: false });
  return stdout;
}

const plain = "Error: it broke here\n    at x (/a/node_modules/some-package/index.js:1:1)";

it("Node colours an error, if nothing of ours is loaded", async () => {
  expect(await printedBy([])).toContain("\u001b[4msome-package\u001b[24m");
});

it("another program than ours, loaded by bin/program.mjs, shows its errors without colours", async () => {
  expect(await printedBy(["--import", join(repository, "bin/program.mjs")])).toBe(plain);
});

it("so do program and policy pack of preview --ci", async () => {
  expect(await printedBy([], bareEnvironment(engine, temporaryFolder()))).toBe(plain);
});

it.each(["policy", "provider"])("so does what %s/start.cjs loads, even if it cannot be loaded", async (name) => {
  const root = temporaryFolder();
  for (const each of ["bin", "node_modules"]) symlinkSync(join(repository, each), join(root, each));
  mkdirSync(join(root, name));
  // Nothing beside it: what it loads is missing.
  const start = join(root, name, "start.cjs");
  symlinkSync(join(repository, name, "start.cjs"), start);
  const preload = join(root, "print.cjs");
  writeFileSync(preload, printing);
  const args = ["--preserve-symlinks-main", "--require", preload, start];
  const { stdout, exitCode } = await execa(process.execPath, args, { env: {}, extendEnv: false, reject: false });
  expect(exitCode, "it could be loaded").toBe(1);
  expect(stdout).toBe(plain);
});
