import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { describeWith } from "../_needs.ts";
import { repository } from "../_repository.ts";

/** Someone else on this machine. */
const planter = 65534;

let folder = "";
let mark = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-planted-"));
  chmodSync(folder, 0o755);
  mark = join(folder, "ran");
  // A stranger's program, as someone's own index.ts is.
  mkdirSync(join(folder, "project"));
  writeFileSync(join(folder, "project", "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "project", "index.ts"), "const done: number = 1;\nconsole.log(done);\n");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Start {
  command: string[];
  cwd?: string;
}

/** Each place that loads TypeScript, and what does the same with tsx as it comes. */
const starts: [string, { entry: () => Start; plain: () => Start }][] = [
  [
    "scripts/setup.sh",
    {
      entry: () => ({ command: ["sh", "scripts/setup.sh"] }),
      plain: () => ({ command: ["node", "--import", "tsx", "scripts/toolchain.ts"] }),
    },
  ],
  [
    "bin/typescript.mjs, for our own scripts",
    {
      entry: () => ({ command: ["node", "--import", "./bin/typescript.mjs", join(folder, "project/index.ts")] }),
      plain: () => ({ command: ["node", "--import", "tsx", join(folder, "project/index.ts")] }),
    },
  ],
  [
    "policy/start.cjs",
    {
      entry: () => ({ command: ["node", "--eval", `require("./policy/start.cjs"); ${endsAtOnce}`] }),
      plain: () => ({ command: ["node", "--eval", `require("tsx/cjs"); require("./policy/pack.ts"); ${endsAtOnce}`] }),
    },
  ],
  [
    "bin/program.mjs, for another index.ts than ours",
    {
      entry: () => ({
        command: ["node", "--import", `${repository}/bin/program.mjs`, "index.ts"],
        cwd: join(folder, "project"),
      }),
      plain: () => ({
        command: ["node", "--import", `${repository}/node_modules/tsx/dist/loader.mjs`, "index.ts"],
        cwd: join(folder, "project"),
      }),
    },
  ],
  [
    "bin/clawdlets.mjs, where what is put together cannot be kept",
    {
      entry: () => ({ command: onReadOnly("node", "bin/clawdlets.mjs", "--help") }),
      plain: () => ({
        command: [
          "node",
          "--eval",
          'import("tsx/esm/api").then(({ register }) => { register(); return import("./cli/main.ts"); })',
        ],
      }),
    },
  ],
];

const endsAtOnce = "setImmediate(() => process.exit(0));";

/** In a mount namespace in which the folder of the build cannot be written. */
const onReadOnly = (...command: string[]) => {
  const build = join(repository, ".toolchain", "build");
  return ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o ro none '${build}' && exec "$@"`, "sh", ...command];
};

async function run({ command: [program = "", ...args], cwd = repository }: Start, temporary: string) {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: temporary, CLAWDLETS_ENGINE: "build" };
  const { exitCode, all } = await execa(program, args, {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: "ignore",
  });
  return { exitCode, all };
}

/**
 * The entries that tsx caches for a program. tsx writes them from a thread that the program does not wait for, so a short program
 * may end before any is whole: it is run until one is.
 */
async function cachedBy(program: Start, temporary: string): Promise<[string, { code: string }][]> {
  const cache = join(temporary, `tsx-${process.geteuid?.()}`);
  for (let runs = 0; runs < 20; runs++) {
    await run(program, temporary);
    const files = existsSync(cache) ? readdirSync(cache) : [];
    const texts = files.map((name): [string, string] => [name, readFileSync(join(cache, name), "utf8")]);
    const whole = texts.filter(([, text]) => text.endsWith("}"));
    if (whole.length > 0) return whole.map(([name, text]) => [name, JSON.parse(text)]);
  }
  throw new Error("tsx cached nothing in 20 runs");
}

/** tsx's cache as another user prepares it: everything that `plain` would load, with a line of that user's own. */
async function plant(plain: Start): Promise<string> {
  const own = join(folder, "own");
  mkdirSync(own);
  const entries = await cachedBy(plain, own);
  const shared = join(folder, "shared");
  const cache = join(shared, `tsx-${process.geteuid?.()}`);
  mkdirSync(cache, { recursive: true });
  for (const [name, entry] of entries) {
    const line = `process.getBuiltinModule("fs").writeFileSync(${JSON.stringify(mark)}, "");`;
    writeFileSync(join(cache, name), JSON.stringify({ ...entry, code: `${line}${entry.code}` }));
    chownSync(join(cache, name), planter, planter);
  }
  chownSync(cache, planter, planter);
  return shared;
}

/** Anyone who connects to the pipe by which tsx looks for its parent. */
async function listenTo(shared: string): Promise<() => number> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((ready) =>
    server.listen(join(shared, `tsx-${process.geteuid?.()}`, `${process.pid}.pipe`), ready),
  );
  onTestFinished(() => void server.close());
  return () => connections;
}

describeWith({ programs: ["unshare"], root: true }, "a folder for temporary files that another user prepared", () => {
  it.each(starts)("has nothing of it run by %s", { timeout: 120_000 }, async (_name, { entry, plain }) => {
    const shared = await plant(plain());
    const connections = await listenTo(shared);
    await run(plain(), shared);
    expect(existsSync(mark), "what was planted runs with tsx as it comes").toBe(true);
    rmSync(mark);
    const before = connections();
    const { exitCode, all } = await run(entry(), shared);
    expect(exitCode, all).toBe(0);
    expect(existsSync(mark), all).toBe(false);
    expect(connections() - before).toBe(0);
  });
});
