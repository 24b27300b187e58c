import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { alone } from "../../toolchain/lock.ts";
import { toolchainPaths } from "../../toolchain/paths.ts";
import { repository } from "./_stack.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-toolchain-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A set-up of three small components in a process of its own; the second waits for a file before it ends. */
function setUp() {
  const script = join(folder, "set-up.mts");
  const from = (file: string) => JSON.stringify(join(repository, "toolchain", file));
  const text = `
    import { appendFileSync, existsSync, writeFileSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    import { buildAll, isBuilt } from ${from("install.ts")};
    import { alone } from ${from("lock.ts")};
    import { toolchainPaths } from ${from("paths.ts")};
    const paths = toolchainPaths(".");
    const component = (name) => ({ name, target: paths.bin + "/" + name, stamp: "1", build: async (output) => {
      appendFileSync("built", name + " ");
      writeFileSync(output, "half of " + name);
      while (name === "second" && !existsSync("go-on")) await sleep(20);
      writeFileSync(output, "whole " + name);
    } });
    const all = ["first", "second", "third"].map(component);
    const report = ({ kind, text }) => kind === "note" && console.log(text);
    const go = { go: "", env: {}, signal: undefined };
    await alone(paths, { report }, () => buildAll(paths, all.filter((it) => !isBuilt(paths, it)), go, report));
  `;
  writeFileSync(script, text);
  return execa(process.execPath, ["--import", "tsx", script], { cwd: folder, reject: false, all: true });
}

const read = (file: string) => readFileSync(join(folder, file), "utf8");

test("a set-up killed half-way is finished by the next one, which builds nothing twice", async () => {
  mkdirSync(join(folder, "node_modules"));
  const options = { cwd: folder };
  await execa("ln", ["-s", join(repository, "node_modules/tsx"), "node_modules/tsx"], options);
  const first = setUp();
  await vi.waitFor(() => expect(read("built")).toBe("first second "), { timeout: 10_000 });
  first.kill("SIGKILL");
  await first;
  expect(read(".toolchain/bin/first")).toBe("whole first");
  expect(existsSync(join(folder, ".toolchain/bin/second")), "half a binary is never in place").toBe(false);

  writeFileSync(join(folder, "go-on"), "");
  const { exitCode, all } = await setUp();
  expect(exitCode, all).toBe(0);
  expect(all, "the dead one's lock is told, and taken over").toContain("another process is setting up");
  expect(read("built")).toBe("first second second third ");
  expect(["second", "third"].map((name) => read(`.toolchain/bin/${name}`))).toEqual(["whole second", "whole third"]);
});

test("one that waits can be stopped", async () => {
  const paths = toolchainPaths(folder);
  const stop = new AbortController();
  await alone(paths, { report: () => undefined }, async () => {
    const waiting = alone(paths, { report: () => stop.abort(), signal: stop.signal }, async () => "ran");
    await expect(waiting).rejects.toThrow("aborted");
  });
});
