import { spawn } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterEach, describe, expect, it } from "vitest";
import { clearDeadLocks } from "../../engine/recovery/stack-locks.ts";
import { project, temporaryFolder } from "../_project.ts";

const children: { kill: () => unknown }[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

/** A lock as the engine's file backend writes it. */
function locked(content: unknown, stack = "web-1") {
  const layout = project({}, "web-1");
  const file = join(layout.state, ".pulumi/locks/organization/clawdlets", stack, "0b5c.json");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  const told: string[] = [];
  return { file, told, clear: () => clearDeadLocks(layout, "web-1", (text) => told.push(text)) };
}

const lockOf = (pid: number, more: object = {}) => ({
  pid,
  username: "you",
  hostname: hostname(),
  timestamp: "2026-05-01T10:00:00Z",
  ...more,
});

async function deadPid(): Promise<number> {
  const child = execa("true");
  const pid = child.pid ?? 0;
  await child;
  return pid;
}

/** A process of this name that does nothing. */
function processCalled(name: string): number {
  const program = join(temporaryFolder(), name);
  symlinkSync("/bin/sleep", program);
  const child = spawn(program, ["60"], { stdio: "ignore" });
  children.push(child);
  return child.pid ?? 0;
}

describe("a stack's lock", () => {
  it("whose engine is gone is removed, and reported", async () => {
    const { file, told, clear } = locked(lockOf(await deadPid()));
    await clear();
    expect(existsSync(file)).toBe(false);
    expect(told).toEqual([expect.stringMatching(/web-1: an engine of you on .* was killed; removed its lock/)]);
  });

  it("whose number another program has taken since is removed", async () => {
    const { file, clear } = locked(lockOf(processCalled("sleeper")));
    await clear();
    expect(existsSync(file)).toBe(false);
  });

  it("of an engine that lives stays, and names it", async () => {
    const pid = processCalled("pulumi");
    const { file, clear } = locked(lockOf(pid));
    await expect(clear()).rejects.toThrow(`(process ${pid}, since 2026-05-01T10:00:00Z) is working on it. Wait`);
    expect(existsSync(file)).toBe(true);
  });

  it("of another machine stays: whether that one lives cannot be seen from here", async () => {
    const { file, clear } = locked(lockOf(await deadPid(), { hostname: "elsewhere" }));
    await expect(clear()).rejects.toThrow(
      /on elsewhere .* if it will never finish: eval .*clawdlets env --host web-1.* && pulumi cancel web-1/,
    );
    expect(existsSync(file)).toBe(true);
  });

  it.each(["", '{"pid": 1, "usern', "\0".repeat(100)])(
    "that was cut off is removed once nobody can still be writing it: %j",
    async (text) => {
      const { file, told, clear } = locked(text);
      await expect(clear()).rejects.toThrow(/is not a lock that Pulumi writes\. If a run is just starting, wait 10 s/);
      expect(existsSync(file)).toBe(true);
      const before = new Date(Date.now() - 11_000);
      utimesSync(file, before, before);
      await clear();
      expect(existsSync(file)).toBe(false);
      expect(told).toEqual([expect.stringContaining("was truncated by a killed run and has been removed")]);
    },
  );

  it("that Pulumi did not write stays", async () => {
    const { file, clear } = locked('{"pid": "1"}');
    utimesSync(file, new Date(0), new Date(0));
    await expect(clear()).rejects.toThrow(/is not a lock that Pulumi writes/);
    expect(existsSync(file)).toBe(true);
  });

  it("of another stack is not checked", async () => {
    const { file, clear } = locked(lockOf(await deadPid()), "web-2");
    await clear();
    expect(existsSync(file)).toBe(true);
  });
});
