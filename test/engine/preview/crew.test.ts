/** Which process a stack's program runs in, and whose fault it is if that process ends. The processes are Node, without an engine. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Crew } from "../../../engine/preview/warm/crew.ts";
import { Worker } from "../../../engine/preview/warm/worker.ts";

let folder: string;
let crew: Crew;
const ends: (() => Promise<void>)[] = [];

/** Says its port and then, line by line, what its argument holds; `exit` ends it. */
const script = `
  const { writeSync } = require("node:fs");
  const lines = process.argv.at(-1).split(";");
  writeSync(3, "4242\\n");
  for (const line of lines) if (line === "exit") process.exit(); else if (line) writeSync(3, line + "\\n");
  process.stdin.resume();
`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-crew-"));
  const worker = join(folder, "worker.cjs");
  writeFileSync(worker, script);
  const workers = { program: worker, policy: worker };
  crew = new Crew({ environment: {}, sandboxes: undefined, workers, pack: folder, project: "" }, [
    join(folder, "lane"),
  ]);
  ends.push(() => crew.stop());
});
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
  rmSync(folder, { recursive: true, force: true });
});

function worker(says: string): Worker {
  const command = [process.execPath, join(folder, "worker.cjs"), says];
  const started = new Worker({ command, cwd: folder, environment: {}, sandbox: undefined, mostUses: 25 });
  ends.push(() => started.stop());
  return started;
}

it("starts a second process for a program while the first is in use, and no third", () => {
  const first = crew.program(folder, "");
  expect(crew.program(folder, "")).toBe(first);
  first.enter();
  const second = crew.program(folder, "");
  expect(second).not.toBe(first);
  second.enter();
  second.enter();
  expect(crew.program(folder, "")).toBe(first);
  first.leave();
  expect(crew.program(folder, "")).toBe(first);
});

it("replaces a process after 25 stacks, and ends it once the last of them is done", async () => {
  const first = crew.program(folder, "");
  for (let stack = 1; stack < 25; stack++) {
    first.enter();
    first.leave();
  }
  expect(crew.program(folder, "")).toBe(first);
  first.enter();
  expect(crew.program(folder, "")).not.toBe(first);
  expect(first.isStopped).toBe(false);
  first.leave();
  expect(first.isStopped).toBe(true);
  await vi.waitFor(() => expect(first.gone.aborted).toBe(true));
});

it("starts the policy's process once, however many lanes ask", async () => {
  const [one, other] = await Promise.all([crew.policy(), crew.policy()]);
  expect(one).toBe(other);
  expect(await one.port).toBe("4242");
  await one.stop();
  const [next, same] = await Promise.all([crew.policy(), crew.policy()]);
  expect(next).toBe(same);
  expect(next).not.toBe(one);
});

it("stops what has started where the policy's process cannot start", async () => {
  const program = crew.program(folder, "");
  writeFileSync(join(folder, "lane"), "a file in the place of the folder for the pipes");
  await expect(crew.policy()).rejects.toThrow("EEXIST");
  await crew.stop();
  expect(program.isStopped).toBe(true);
});

it("is not trusted after three failures in a row, and a success in between counts", async () => {
  for (const step of ["failed", "failed", "succeeded", "failed", "failed"] as const) await crew[step]();
  expect(crew.isTrusted).toBe(true);
  await crew.failed();
  expect(crew.isTrusted).toBe(false);
});

it.each([
  ["runs web-1;exit", "web-1", false],
  ["runs web-1;exit", "web-2", true],
  ["runs web-1;runs web-2;exit", "web-1", true],
  ["exit", "web-1", false],
])("a process that said %j and ended was lost to another stack than %s: %s", async (says, stack, isLost) => {
  const ended = worker(says);
  await vi.waitFor(() => expect(ended.gone.aborted).toBe(true));
  expect(ended.wasLostTo(stack)).toBe(isLost);
  expect(ended.isUsable).toBe(false);
});

it("is not used again once it is spent, and was lost to the stack that spent it", async () => {
  const spent = worker("runs web-1;spent");
  await vi.waitFor(() => expect(spent.isUsable).toBe(false));
  expect([spent.wasLostTo("web-1"), spent.wasLostTo("web-2")]).toEqual([false, true]);
});

it("one that goes on was lost to nobody", async () => {
  const running = worker("runs web-1");
  await running.port;
  expect([running.wasLostTo("web-1"), running.wasLostTo("web-2"), running.isUsable]).toEqual([false, false, true]);
});
