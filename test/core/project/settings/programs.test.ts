import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../../../core/base/machine/package-root.ts";
import { problemSentence } from "../../../../core/base/problem.ts";
import type { Layout } from "../../../../core/project/layout.ts";
import { readEnvFile } from "../../../../core/project/settings/env-file.ts";
import { project, temporaryFolder } from "../../../_project.ts";

function programIn(folder: string, name = "tailscale"): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, "#!/bin/sh\n", { mode: 0o755 });
  return path;
}
const withEnv = (layout: Layout, line: string, environment = {}) => {
  writeFileSync(join(layout.dir, ".env"), `${line}\n`, { mode: 0o600 });
  return readEnvFile(layout, environment);
};
const named = (path: string, layout = project()) => withEnv(layout, `CLAWDLETS_TAILSCALE="${path}"`);

describe("a program that .env names", () => {
  it.each(["/bin/sh", "/nowhere/tailscale", "tailscale", join(packageRoot, "emulator", "stand-ins", "tailscale")])(
    "may be %s",
    (path) => expect(named(path)).toMatchObject({ value: { CLAWDLETS_TAILSCALE: path }, problems: [] }),
  );

  it.each(["./tailscale", "bin/tailscale", "../tailscale", "sh", "~/tailscale"])("may not be %s", (path) => {
    const { value, problems } = named(path);
    expect(value).toEqual({});
    expect(problems).toMatchObject([
      { setting: "CLAWDLETS_TAILSCALE", problem: expect.stringContaining("allowed: an absolute path") },
    ]);
  });

  const cases: [string, (folder: string, path: string) => unknown, RegExp][] = [
    ["is writable by everybody", (_, path) => chmodSync(path, 0o777), /tailscale is writable by every user/],
    ["lies in a folder that everybody may write to", (folder) => chmodSync(folder, 0o777), /is writable by every user/],
    ...(process.getuid?.() === 0
      ? ([
          ["belongs to another user", (_, path) => chownSync(path, 12345, 0), /belongs to user 12345/],
          ["lies in another user's folder", (folder) => chownSync(folder, 12345, 0), /belongs to user 12345/],
          [
            "is writable by a group",
            (_, path) => {
              chownSync(path, 0, 12345);
              chmodSync(path, 0o775);
            },
            /is writable by group 12345/,
          ],
        ] satisfies [string, (folder: string, path: string) => unknown, RegExp][])
      : []),
  ];
  it.each(cases)("is refused where it %s, by link too", (_, spoil, said) => {
    const folder = join(temporaryFolder(), "bin");
    const path = programIn(folder);
    expect(named(path).problems).toEqual([]);
    spoil(folder, path);
    const link = join(temporaryFolder(), "link");
    symlinkSync(path, link);
    for (const each of [path, link]) {
      const { value, problems } = named(each);
      expect(value).toEqual({});
      expect(problems.map(problemSentence)[0]).toMatch(said);
    }
  });

  it("is refused where git tracks it, by link too, and taken where git does not", async () => {
    const layout = project();
    const path = programIn(join(layout.root, "tools"));
    await execa("git", ["init", "--quiet"], { cwd: layout.root });
    expect(named(path, layout).problems).toEqual([]);
    await execa("git", ["add", "tools"], { cwd: layout.root });
    const link = join(temporaryFolder(), basename(path));
    symlinkSync(path, link);
    for (const each of [path, link])
      expect(named(each, layout).problems.map(problemSentence)[0]).toMatch(/which git tracks: it came with/);
  });

  it.each(["NIX_BIN", "CLAWDLETS_NIXOS_ANYWHERE", "CLAWDLETS_TAILSCALE"])(
    "%s is checked, in the environment too",
    (key) => {
      const layout = project();
      expect(withEnv(layout, `${key}=x/y`).problems).toMatchObject([{ subject: ".clawdlets/.env", setting: key }]);
      expect(withEnv(layout, "", { [key]: "x/y" }).problems).toMatchObject([
        { subject: "the environment", setting: key },
      ]);
    },
  );
});

describe("HCLOUD_ENDPOINT", () => {
  const asked = (endpoint: string) => withEnv(project(), `HCLOUD_ENDPOINT=${endpoint}`);
  it.each([
    "https://api.hetzner.cloud/v1",
    "https://proxy.example.org/v1",
    "http://127.0.0.1:1/v1",
    "http://127.9.8.7/v1",
    "http://[::1]:8080/v1",
    "http://localhost:8080/v1",
    "http://0x7f.1/v1",
  ])("may be %s", (endpoint) =>
    expect(asked(endpoint)).toMatchObject({ value: { HCLOUD_ENDPOINT: endpoint }, problems: [] }),
  );

  it.each([
    "http://api.hetzner.cloud/v1",
    "http://192.0.2.1/v1",
    "http://127.0.0.1.evil.example/v1",
    "http://localhost.evil.example/v1",
    "http://127.0.0.1@evil.example/v1",
    "http://[::2]/v1",
    "ftp://127.0.0.1/v1",
    "file:///v1",
    "127.0.0.1:80",
    "https://proxy.example.org/v1?to=x",
  ])("may not be %s", (endpoint) => {
    const { value, problems } = asked(endpoint);
    expect(value).toEqual({});
    expect(problems).toMatchObject([{ setting: "HCLOUD_ENDPOINT" }]);
  });
});
