import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { onTestFinished, type TestContext } from "vitest";
import { findEngine, type partKeys } from "../../engine/find-engine.ts";
import { killProcessesOf } from "../_processes.ts";

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

const found = findEngine(repository);
if (!found) throw new Error("No engine in .toolchain: run scripts/setup.sh first.");
export const engine = found;

/** Leaves out what only our own part promises, where the environment names another one in its place. */
export function skipUnlessOwn(context: TestContext, part: keyof typeof partKeys, difference: string): void {
  context.skip((process.env[part] ?? "") !== "", `${part} is set: ${difference}`);
}

/** What the engine sees: nothing of the user's, least of all a token or a home. */
export function environment(home: string): Record<string, string> {
  return {
    PATH: [engine.binDir, process.env["PATH"] ?? ""].join(delimiter),
    HOME: home,
    PULUMI_HOME: engine.pulumiHome,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
}

const runtime = 'runtime: { name: nodejs, options: { typescript: false, nodeargs: "--import tsx" } }';

interface Resource {
  urn: string;
  type: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

/** A stack of its own, on the real engine, with the program as index.ts. */
export class Stack {
  readonly folder = mkdtempSync(join(tmpdir(), "clawdlets-stack-"));
  readonly env = environment(this.folder);
  pulumi = engine.pulumi;

  constructor(program: string, project = runtime) {
    mkdirSync(join(this.folder, "state"));
    symlinkSync(join(repository, "node_modules"), join(this.folder, "node_modules"));
    this.write("package.json", '{ "type": "module" }');
    this.write(
      "Pulumi.yaml",
      `name: lab\nmain: index.ts\n${project}\nbackend: { url: "file://${this.folder}/state" }\n`,
    );
    this.write("index.ts", program);
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.folder, file)), { recursive: true });
    writeFileSync(join(this.folder, file), text);
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), "utf8");
  }

  async run(...args: string[]) {
    const { exitCode, all } = await this.start(...args);
    return { exitCode, all };
  }

  /** Still running: for what is done to an engine at work. */
  start(...args: string[]) {
    const options = { cwd: this.folder, env: this.env, extendEnv: false, all: true, reject: false } as const;
    return execa(this.pulumi, [...args, "--non-interactive"], options);
  }

  async init(): Promise<this> {
    const { exitCode, all } = await this.run("stack", "init", "s");
    if (exitCode !== 0) throw new Error(all);
    return this;
  }

  up(...args: string[]) {
    return this.run("up", "--yes", "--skip-preview", "--stack", "s", ...args);
  }

  /** As the file backend keeps it: secrets are ciphertext. */
  get stateText(): string {
    return this.read("state/.pulumi/stacks/lab/s.json");
  }

  get resources(): Resource[] {
    return JSON.parse(this.stateText).checkpoint.latest.resources ?? [];
  }

  outputs(name: string): Record<string, unknown> | undefined {
    return this.resources.find(({ urn }) => urn.endsWith(`::${name}`))?.outputs;
  }

  /** With the plugins of an engine that a test has killed. */
  remove(): void {
    killProcessesOf(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A stack that is gone after this test. */
export async function stackFor(program: string, project?: string): Promise<Stack> {
  const stack = new Stack(program, project);
  onTestFinished(() => stack.remove());
  return await stack.init();
}

/** A program that declares the local.Commands of commands.json. */
export const commandProgram = `
import { readFileSync } from "node:fs";
import * as command from "@pulumi/command";
const declared: Record<string, command.local.CommandArgs> = JSON.parse(readFileSync("commands.json", "utf8"));
for (const [name, args] of Object.entries(declared)) new command.local.Command(name, args);
`;
