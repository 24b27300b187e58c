import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { lock } from "proper-lockfile";
import { afterAll, describe, expect, it } from "vitest";
import { takeHostLock, withFileLock } from "../../../../core/base/machine/file-lock.ts";
import { packageRoot } from "../../../../core/base/machine/package-root.ts";
import { writePrivateFile } from "../../../../core/base/machine/private-files.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// At once: each waits twelve seconds for a lock that it does not get.
describe.concurrent("a host's lock", () => {
  it("names who has it, since when, and what to do", async ({ expect }) => {
    const path = join(folder, "named");
    const release = await takeHostLock(path, "web-1", () => undefined);
    await expect(takeHostLock(path, "web-1", () => undefined)).rejects.toThrow(
      new RegExp(`^clawdlets .*\\(process ${process.pid}, since 20.*\\) is running.*on web-1\\. Wait for it to finish`),
    );
    await release();
    expect(existsSync(`${path}.holder`)).toBe(false);
    await (await takeHostLock(path, "web-1", () => undefined))();
  }, 30_000);

  it("says as much as it can where the holder has not said who it is, or not legibly", async ({ expect }) => {
    const path = join(folder, "unnamed");
    const release = await lock(path, { realpath: false });
    await writePrivateFile(`${path}.holder`, "{half");
    await expect(takeHostLock(path, "web-1", () => undefined)).rejects.toThrow(/^another clawdlets is running/);
    await release();
  }, 30_000);
});

describe("a file's lock", () => {
  it("lets one in at a time, in whatever order, and is free when the work fails", async () => {
    const path = join(folder, "file");
    let inside = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withFileLock(path, work)));
    await expect(withFileLock(path, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await withFileLock(path, work);
  });
});

describe("a process that ends while it has locks", () => {
  const module = (name: string) => JSON.stringify(join(packageRoot, "core/base/machine", name));
  /** Holds two locks, and has written a file: what writes it takes back the hooks of the lock's library. */
  const program = (end: string) => `
import { takeHostLock, withFileLock } from ${module("file-lock.ts")};
import { packageRoot } from "../../../../core/base/machine/package-root.ts";
import { writePrivateFile } from ${module("private-files.ts")};
await takeHostLock("held", "web-1", () => undefined);
await withFileLock("file", async () => {
  await writePrivateFile("written", "x");
  ${end}
});
`;
  it.each(["process.exit(3);", "process.exitCode = 3; await new Promise(() => undefined);"])(
    "with %s leaves neither a lock nor a holder's name",
    async (end) => {
      const cwd = mkdtempSync(join(folder, "ends-"));
      writeFileSync(join(cwd, "program.mts"), program(end));
      const args = ["--import", import.meta.resolve("tsx"), "program.mts"];
      const child = await execa(process.execPath, args, { cwd, reject: false, env: { TSX_DISABLE_CACHE: "1" } });
      expect(child.exitCode, child.stderr).toBe(3);
      expect(readdirSync(cwd).sort()).toEqual(["program.mts", "written"]);
    },
    30_000,
  );
});
