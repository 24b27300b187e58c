import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { endGroup, groupsWith, runInGroup } from "../../../../core/base/machine/process-group.ts";
import { temporaryFolder } from "../../../_project.ts";

/** A shell that is the leader of a group, whose words stand on its command line. */
function leader(script: string, ...words: string[]) {
  const child = spawn("sh", ["-c", script, "installer", ...words], { detached: true, stdio: "ignore" });
  return { group: child.pid ?? 0, ended: once(child, "exit") };
}

describe("a process group", () => {
  it("is found by the words on its leader's command line, each of them whole", async () => {
    const folder = temporaryFolder();
    const key = join(folder, "id");
    const { group, ended } = leader("sleep 60; :", "--phases", "reboot", "-i", key);
    const other = leader("sleep 60; :", "--phases", "reboot", "-i", `${key}2`);
    await expect.poll(() => groupsWith(["-i", key])).toEqual([group]);
    expect(await groupsWith(["-i", key, "--phases"])).toEqual([group]);
    expect(await groupsWith(["-i", folder])).toEqual([]);
    await Promise.all([endGroup(group, 5), endGroup(other.group, 5)]);
    await Promise.all([ended, other.ended]);
    expect(await groupsWith(["-i", key])).toEqual([]);
  });

  it("ends with everybody in it, also who does not listen", async () => {
    const ready = join(temporaryFolder(), "ready");
    const deaf = `sh -c 'trap "" TERM; echo $$ >${ready}; while :; do sleep 0.05; done' &`;
    const { group, ended } = leader(`(${deaf}) ; sleep 60`);
    await expect.poll(() => existsSync(ready) && readFileSync(ready, "utf8") !== "").toBe(true);
    await endGroup(group, 0.3);
    await ended;
    // Gone, or dead and not yet buried.
    const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", readFileSync(ready, "utf8").trim()]);
    expect(stdout.toString()).toMatch(/^(?:Z|$)/);
  });

  it("that is not there is nobody's fault", async () => {
    const { group, ended } = leader("exit 0");
    await ended;
    await endGroup(group, 5);
  });
});

describe("a program in a group of its own", () => {
  /** A child of it, which holds its output for longer than a test may take. */
  const script = (ready: string) => `sleep 60 & echo $! >${ready}; exec sleep 60`;

  it("gives what run gives", async () => {
    const result = await runInGroup("sh", ["-c", "cat; echo no >&2; exit 3"], { input: "yes", timeoutSeconds: 20 });
    expect(result).toMatchObject({ exitCode: 3, stdout: "yes", stderr: "no\n", timedOut: false });
    await expect(runInGroup("/nonexistent/program", [], {})).rejects.toThrow("is not installed");
  });

  it.each(["at its time limit", "when it is stopped", "when it was stopped before"])(
    "ends %s with its children",
    async (when) => {
      const ready = join(temporaryFolder(), "ready");
      const stop = new AbortController();
      if (when.includes("before")) stop.abort();
      const limit = when.includes("limit") ? 1 : 50;
      const running = runInGroup("sh", ["-c", script(ready)], { timeoutSeconds: limit, signal: stop.signal });
      if (when.includes("is stopped")) {
        await expect.poll(() => existsSync(ready) && readFileSync(ready, "utf8") !== "").toBe(true);
        stop.abort();
      }
      expect(await running).toMatchObject({ signal: "SIGTERM", timedOut: when.includes("limit") });
    },
  );
});
