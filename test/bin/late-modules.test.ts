import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";

/** What a program with these modules prints as JSON. */
async function printed(script: string, environment: Record<string, string> = {}): Promise<unknown> {
  const preload = join(repository, "bin/compiled/late-modules.cjs");
  const args = ["--require", preload, "--eval", `const print = (x) => console.log(JSON.stringify(x)); ${script}`];
  const { stdout } = await execa(process.execPath, args, { cwd: repository, env: environment });
  return JSON.parse(stdout);
}

const trace = `require("@pulumi/pulumi");
  const { debuggablePromise } = require("@pulumi/pulumi/runtime/debuggable");
  const promise = Promise.resolve(1);
  debuggablePromise(promise, "ours");
  print({ lines: promise._debugStackTrace.split("\\n").length, context: promise._debugCtx, limit: Error.stackTraceLimit });`;

it("promises of Pulumi's library have no stack traces, and errors still do", async () => {
  expect(await printed(trace)).toEqual({ lines: 1, context: "ours", limit: 10 });
});

it("they do where Pulumi is asked to show them", async () => {
  const shown = (await printed(trace, { PULUMI_DEBUG_PROMISE_LEAKS: "1" })) as { lines: number };
  expect(shown.lines).toBeGreaterThan(3);
});

it("the TypeScript compiler is loaded once it is used, and not with the library", async () => {
  const loaded = 'Object.keys(require.cache).filter((file) => file.includes("/node_modules/typescript/")).length';
  const script = `require("@pulumi/pulumi"); const before = ${loaded};
    print([before, typeof require("typescript").version, ${loaded} > 0]);`;
  expect(await printed(script)).toEqual([0, "string", true]);
});
