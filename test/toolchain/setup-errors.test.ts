import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { findGo } from "../../toolchain/go.ts";
import { ensureEngine, findEngine, ToolchainError } from "../../toolchain/index.ts";
import { toolchainPaths } from "../../toolchain/paths.ts";
import { repository } from "./_stack.ts";

const disk = vi.hoisted(() => ({ freeGib: 100 }));
vi.mock("node:fs", async (original) => ({
  ...(await original<typeof import("node:fs")>()),
  statfsSync: () => ({ bavail: disk.freeGib, bsize: 2 ** 30 }),
}));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-toolchain-"));
  // Only what the fake needs: no Go and no sops of this machine.
  vi.stubEnv("PATH", folder);
  disk.freeGib = 100;
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A `go` that says its version and then fails to build with these words. */
function fakeGo(version: string, words: string): void {
  const script = `#!/bin/sh
if [ "$1" = env ]; then echo "${version}"; exit 0; fi
echo "${words}" >&2; exit 1
`;
  writeFileSync(join(folder, "go"), script);
  chmodSync(join(folder, "go"), 0o755);
}

async function failure(work: Promise<unknown>): Promise<ToolchainError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ToolchainError);
  return error as ToolchainError;
}

const setUp = (origin = "build") =>
  ensureEngine({ root: folder, sources: join(repository, "toolchain"), report: () => undefined, origin });

describe("setting the engine up fails with what to do", () => {
  test("no Go: names where it was looked for, and what to install", async () => {
    const error = await failure(findGo(toolchainPaths(folder), undefined, join(folder, "nowhere/go")));
    expect(error.code).toBe("no-go");
    expect(error.message).toMatch(/no Go on PATH or at .*nowhere\/go. Install Go 1\.26 or newer/);
  });

  test.each([
    ["go1.25.9", "old-go", "", "1.26 or newer is needed. Install Go 1.26"],
    ["go1.9", "old-go", "", "Install Go 1.26"],
    ["", "old-go", "", "is broken"],
    [
      "go1.26.0",
      "modules",
      "go: x@v1: Get http://none/x: dial tcp: lookup none on 1.1.1.1:53: no such host",
      "GOPROXY",
    ],
    ["go1.26.8", "modules", "go: x@v1: reading http://none/x.zip: 403 Forbidden", "GOPROXY"],
    ["go2.0", "modules", "go: github.com/x/y@v1.0.0: Get http://p: proxyconnect tcp: connection refused", "GOPROXY"],
    ["go1.27.1", "disk", "write /tmp/go-build1/b.a: no space left on device", "what is built already is kept"],
    ["go1.26.8", "build", "main.go:1:1: syntax error", "syntax error"],
  ] as const)("Go %j gives %s", async (version, code, words, said) => {
    fakeGo(version, words);
    const error = await failure(setUp());
    expect(error.code).toBe(code);
    expect(error.message).toContain(said);
    expect(error.message, "nobody is helped by our stack").not.toContain("at async");
    expect(findEngine(folder)).toBeUndefined();
  });

  test.each([
    [5.9, "disk"],
    [6, "build"],
  ] as const)("%d GiB of free disk gives %s", async (freeGib, code) => {
    disk.freeGib = freeGib;
    fakeGo("go1.26.8", "main.go:1:1: syntax error");
    const error = await failure(setUp());
    expect(error.code).toBe(code);
    if (code === "disk") expect(error.message).toMatch(/needs 6 GiB, and .* has 5\.9\. Make room/);
  });

  test("an unknown CLAWDLETS_ENGINE names the two that are known", async () => {
    const error = await failure(setUp("offical"));
    expect(error.message).toMatch(/"offical".*"official" or "build"/);
    expect(existsSync(join(folder, ".toolchain"))).toBe(false);
  });

  test("without a HOME, Go's caches go into the project", async () => {
    fakeGo("go1.26.8", "");
    vi.stubEnv("HOME", "");
    const { env } = await findGo(toolchainPaths(folder));
    expect(env).toMatchObject({
      HOME: join(folder, ".toolchain/work"),
      GOCACHE: join(folder, ".toolchain/work/go-cache"),
    });
    vi.stubEnv("HOME", folder);
    expect((await findGo(toolchainPaths(folder))).env["GOCACHE"]).toBe(process.env["GOCACHE"]);
  });
});
