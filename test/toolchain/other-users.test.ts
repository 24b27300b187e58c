import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { bundle } from "../_bundle.ts";
import { describeWith } from "../_needs.ts";
import { commandProgram, repository, stackFor } from "./_stack.ts";

/** Another user of this machine: nobody's uid, which owns no files. */
const stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

interface Work {
  program: string;
  runtime: string;
  args: string[];
}

let folder = "";
let script = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-stranger-"));
  script = await bundle(join(repository, "test/toolchain/_stranger.ts"), folder);
  // Where the stranger may read the script and leave its mark.
  chmodSync(folder, 0o777);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ports on which a process and all that it started listen on loopback. */
function portsBelow(ancestor: number): { port: number; program: string }[] {
  const parents = new Map<number, number>();
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const status = textOf(`/proc/${id}/stat`);
    parents.set(Number(id), Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const isBelow = (id: number): boolean => id === ancestor || (id > 1 && isBelow(parents.get(id) ?? 0));
  const sockets = new Map<string, string>();
  for (const id of [...parents.keys()].filter(isBelow)) {
    for (const descriptor of namesIn(`/proc/${id}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${id}/fd/${descriptor}`))?.[1];
      if (inode !== undefined) sockets.set(inode, linkOf(`/proc/${id}/exe`).split("/").at(-1) ?? "");
    }
  }
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const program = sockets.get(inode);
      return state === "0A" && program !== undefined ? [{ port: Number.parseInt(local.slice(-4), 16), program }] : [];
    });
}

// A process may end before it is read.
const textOf = (file: string) => (existsSync(file) ? orNothing(() => readFileSync(file, "utf8"), "") : "");
const namesIn = (path: string) => orNothing(() => readdirSync(path), []);
const linkOf = (path: string) => orNothing(() => readlinkSync(path), "");
function orNothing<T>(read: () => T, nothing: T): T {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(String((error as NodeJS.ErrnoException).code))) return nothing;
    throw error;
  }
}

/** Loaded as ours is, with a server of its own for the hook. */
const ownRuntime = `runtime: { name: nodejs, options: { typescript: false, nodeargs: "--import ${repository}/bin/program.mjs" } }`;
const programWithHook = `
import { readFileSync } from "node:fs";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
const hook = new pulumi.ResourceHook("seen", async () => undefined);
const { long } = JSON.parse(readFileSync("commands.json", "utf8"));
new command.local.Command("long", long, { hooks: { beforeCreate: [hook] } });
`;

/** An engine whose command waits until it is told to go on. */
async function engineAtWork({ program = commandProgram, runtime, args = [] }: Partial<Work> = {}) {
  const stack = await stackFor(program, runtime);
  const create = "touch started; while [ ! -e go-on ]; do sleep 0.05; done";
  stack.write("commands.json", JSON.stringify({ long: { create } }));
  const running = stack.start("up", "--yes", "--skip-preview", "--stack", "s", ...args);
  onTestFinished(() => void running.kill("SIGKILL"));
  await vi.waitFor(() => expect(existsSync(`${stack.folder}/started`)).toBe(true), { timeout: 120_000, interval: 50 });
  const ports = portsBelow(running.pid ?? 0);
  const finish = async () => {
    stack.write("go-on", "");
    return await running;
  };
  return { stack, ports, finish };
}

/** What answered, as whom the command in front of it makes the script run. */
async function attack(as: string[], mark: string, ports: number[]): Promise<number[]> {
  // By standard input, since the stranger cannot enter our folder for temporary files.
  const node = [process.execPath, "--input-type=module", "-", mark, ...ports.map(String)];
  const [command = "", ...args] = [...as, ...node];
  const env = { PATH: process.env["PATH"] ?? "" };
  const { stdout } = await execa(command, args, { env, extendEnv: false, cwd: "/", inputFile: script });
  return JSON.parse(stdout);
}

describeWith({ programs: ["setpriv"], root: true }, "another user of this machine, while the engine is at work", () => {
  it("gets no answer from any of its ports, and runs nothing", { timeout: 300_000 }, async () => {
    const { ports, finish } = await engineAtWork();
    const mark = join(folder, "by-stranger");
    expect(new Set(ports.map(({ program }) => program))).toEqual(
      new Set(["pulumi", "pulumi-language-nodejs", "pulumi-resource-command"]),
    );
    expect(
      await attack(
        stranger,
        mark,
        ports.map(({ port }) => port),
      ),
    ).toEqual([]);
    expect(existsSync(mark)).toBe(false);
    const { exitCode, all } = await finish();
    expect(exitCode, all).toBe(0);
    expect(all).toContain("it comes from user 65534, and this process runs as user 0");
  });

  it("gets no answer from our program and our policy pack either", { timeout: 300_000 }, async () => {
    const work = { program: programWithHook, runtime: ownRuntime, args: ["--policy-pack", join(repository, "policy")] };
    const { ports, finish } = await engineAtWork(work);
    const ofNode = ports.filter(({ program }) => program === "node").map(({ port }) => port);
    expect(ofNode).toHaveLength(2);
    const mark = join(folder, "by-stranger-in-node");
    expect(await attack(stranger, mark, ofNode)).toEqual([]);
    expect(await attack([], mark, ofNode)).toEqual(ofNode);
    const { exitCode, all } = await finish();
    expect(exitCode, all).toBe(0);
  });

  it("would run a command with the engine's environment, were it the same user", { timeout: 300_000 }, async () => {
    const { ports, finish } = await engineAtWork();
    const mark = join(folder, "by-ourselves");
    const answering = await attack(
      [],
      mark,
      ports.map(({ port }) => port),
    );
    expect(answering).toEqual(ports.map(({ port }) => port));
    expect(existsSync(mark)).toBe(true);
    await finish();
  });
});
