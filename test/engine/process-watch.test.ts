import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../_project.ts";
import { type Allow, ProcessWatch } from "./_process-watch.ts";

/** What a watch finds of one canary while `work` runs. */
async function watching(canary: string, work: () => Promise<unknown>, allow?: Allow): Promise<ProcessWatch> {
  const watch = new ProcessWatch({ token: canary, other: "never-to-be-seen-anywhere-at-all" }, allow);
  await expect.poll(() => watch.looks.environments, { timeout: 10_000, interval: 5 }).toBeGreaterThan(0);
  await work();
  await watch.stop();
  expect(watch.looks.arguments).toBeGreaterThan(watch.looks.environments);
  return watch;
}

/** Made up again each time, and never in an argument or the environment of this process. */
const someCanary = () => `canary-${crypto.randomUUID()}`;

/** Runs a child for some milliseconds. `$0` and more are given as they are. */
async function live(ms: number, args: string[], env: Record<string, string> = {}, stdin: number | "ignore" = "ignore") {
  const script = `read line; sleep ${ms / 1000}; exit 0`;
  const child = spawn("sh", ["-c", script, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: [stdin, "ignore", "inherit"],
  });
  await once(child, "exit");
}

describe("a process watch", () => {
  it("finds a canary in the arguments of another process, and masks it", async () => {
    const canary = someCanary();
    const { found } = await watching(canary, () => live(300, ["name", `--token=${canary}`]));
    expect(found).toEqual([
      {
        canary: "token",
        where: "arguments",
        program: expect.stringMatching(/sh$/),
        args: ["sh", "-c", "read line; sleep 0.3; exit 0", "name", "--token=<token>"],
      },
    ]);
    expect(JSON.stringify(found)).not.toContain(canary);
  });

  it("finds a canary in the environment of another process, and of what that one starts", async () => {
    const canary = someCanary();
    const { found } = await watching(canary, () => live(300, [`name`], { X: `Bearer ${canary}` }));
    expect(found).toContainEqual(
      expect.objectContaining({ canary: "token", where: "environment", program: expect.stringMatching(/sh$/) }),
    );
    expect(found).toContainEqual({ canary: "token", where: "environment", program: "sleep", args: ["sleep", "0.3"] });
    expect(JSON.stringify(found)).not.toContain(canary);
  });

  it("finds one in a process that took over another by exec", async () => {
    const canary = someCanary();
    const work = async () => {
      const child = spawn("sh", ["-c", `sleep 0.4; read line; exec env X="$line" sleep 0.2`], { stdio: "pipe" });
      child.stdin.end(`${canary}\n`);
      await once(child, "exit");
    };
    const { found } = await watching(canary, work);
    expect(found).toContainEqual({ canary: "token", where: "environment", program: "sleep", args: ["sleep", "0.2"] });
  });

  it("finds none that is allowed, and asks with name, program and arguments", async () => {
    const canary = someCanary();
    const asked: Parameters<Allow>[0][] = [];
    const allow: Allow = (finding) => asked.push(finding) > 0 && finding.program === "sleep";
    const { found } = await watching(canary, () => live(300, ["name"], { X: canary }), allow);
    expect(found.map(({ program }) => program)).toEqual([expect.not.stringMatching(/^sleep$/)]);
    expect(asked).toContainEqual(
      expect.objectContaining({ canary: "token", program: "sleep", args: ["sleep", "0.3"] }),
    );
  });

  it("allows no argument, regardless of who asks for it", async () => {
    const canary = someCanary();
    const { found } = await watching(
      canary,
      () => live(300, [canary]),
      () => true,
    );
    expect(found.map(({ where }) => where)).toEqual(["arguments"]);
  });

  it.each(["arguments", "environment"] as const)(
    "finds one in the %s of a process that lives 100 ms",
    async (where) => {
      const canary = someCanary();
      const given = where === "arguments" ? ([[canary], {}] as const) : ([["name"], { X: canary }] as const);
      const { found } = await watching(canary, () => live(100, [...given[0]], { ...given[1] }));
      expect(found).toContainEqual(expect.objectContaining({ where }));
    },
  );

  it("finds none that goes by standard input, a file or a pipe", async () => {
    const canary = someCanary();
    const file = join(temporaryFolder(), "secret");
    writeFileSync(file, `${canary}\n`);
    const { found, looks } = await watching(canary, async () => {
      const stdin = openSync(file, "r");
      await live(300, ["name", file], { FILE: file }, stdin);
      closeSync(stdin);
      const child = spawn("sh", ["-c", "read line; sleep 0.3; exit 0"], { stdio: ["pipe", "ignore", "inherit"] });
      child.stdin.end(`${canary}\n`);
      await once(child, "exit");
    });
    expect(found).toEqual([]);
    expect(looks.arguments).toBeGreaterThan(10);
  });
});
