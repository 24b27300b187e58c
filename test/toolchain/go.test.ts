import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findGo, runTool } from "../../toolchain/go.ts";
import { toolchainPaths } from "../../toolchain/paths.ts";

const disk = vi.hoisted(() => ({ freeGib: 100 }));
vi.mock("node:fs", async (original) => ({
  ...(await original<typeof import("node:fs")>()),
  statfsSync: () => ({ bavail: disk.freeGib, bsize: 2 ** 30 }),
}));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-go-"));
  writeFileSync(join(folder, "go"), "#!/bin/sh\necho go1.26.8\n", { mode: 0o755 });
  vi.stubEnv("PATH", folder);
  disk.freeGib = 100;
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test("asks for the free disk that a build was measured to need, before it starts", async () => {
  disk.freeGib = 5.9;
  await expect(findGo(toolchainPaths(folder))).rejects.toMatchObject({
    code: "disk",
    message: expect.stringMatching(/needs 6 GiB, and .*\.toolchain has 5\.9\. Free some space/),
  });
  disk.freeGib = 6;
  expect((await findGo(toolchainPaths(folder))).go).toBe(join(folder, "go"));
});

test.each([
  ["go: x@v1: Get http://none/x: dial tcp: lookup none on 192.0.2.1:53: no such host", "modules"],
  ["go: x@v1: reading http://none/x.zip: 403 Forbidden", "modules"],
  ["go: x@v1: Get http://p: proxyconnect tcp: dial tcp: connect: connection refused", "modules"],
  ["go: x@v1: verifying module: checksum mismatch", "build"],
  ["write /go-build1/b.a: no space left on device", "disk"],
  ["main.go:1:1: syntax error", "build"],
])("takes %j for %s, and tells it", async (words, code) => {
  const go = await findGo(toolchainPaths(folder));
  const failing = runTool(go, "/bin/sh", ["-c", `echo '${words}' >&2; exit 1`], folder);
  await expect(failing).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
});

test("puts Go's caches into the project where there is no usable HOME, and nowhere else", async () => {
  const work = join(folder, ".toolchain/work");
  for (const home of ["", join(folder, "not-there")]) {
    vi.stubEnv("HOME", home);
    const { env } = await findGo(toolchainPaths(folder));
    expect(env).toMatchObject({ HOME: work, GOPATH: join(work, "go"), GOCACHE: join(work, "go-cache") });
  }
  vi.stubEnv("HOME", folder);
  const { env } = await findGo(toolchainPaths(folder));
  expect(env).toMatchObject({ HOME: folder, GOFLAGS: "-mod=readonly -trimpath -buildvcs=false" });
  expect(env["GOCACHE"]).toBe(process.env["GOCACHE"]);
});
