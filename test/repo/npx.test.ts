import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repository } from "../_repository.ts";

/**
 * Dependency confusion: our command is `clawdlets`, our package `@clawdlets/infra`, and nobody has to own the name `clawdlets`
 * in the registry. Where the package is not installed, `npx clawdlets` downloads and runs whatever stands there.
 */
const downloads = /\bnpx (?!--no-install\b)(?=[\w@-])(?!runs )|\b(npm exec|npm x|pnpm dlx|pnpx|yarn dlx|bunx) /;

/** Files whose text is not ours to write, or that show what must not be written. */
const exempt = [/\.sum$/, /^package-lock\.json$/, /^test\/fixtures\/states\//, /^test\/repo\/npx\.test\.ts$/];

describe("no text advises a command that downloads what is not installed:", () => {
  it.each([
    ["npx clawdlets up", true],
    ['eval "$(npx clawdlets env)"', true],
    ["npx --yes clawdlets up", true],
    ["npx -p @clawdlets/infra clawdlets up", true],
    // npm reads the next word as the value of --no, and the options behind it as its own.
    ["npx --no clawdlets up --host web-1", true],
    ["npm exec clawdlets up", true],
    ["pnpm dlx clawdlets up", true],
    ["npx --no-install clawdlets up", false],
    ["clawdlets up", false],
    ["npm test", false],
  ])("%s: %s", (text, found) => expect(downloads.test(text)).toBe(found));

  it("in any file of the repository", async () => {
    const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
      cwd: repository,
    });
    const files = stdout.split("\n").filter((file) => !exempt.some((pattern) => pattern.test(file)));
    expect(files.length).toBeGreaterThan(500);
    const found = files.flatMap((file) =>
      readFileSync(join(repository, file), "utf8")
        .split("\n")
        .flatMap((line, index) => (downloads.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });
});

describe("with a registry where a stranger owns the name clawdlets,", () => {
  let folder: string;
  const requests: string[] = [];
  const registry = createServer((request, answer) => {
    requests.push(request.url ?? "");
    if (request.url?.endsWith(".tgz"))
      readFile(join(folder, "clawdlets-9.9.9.tgz")).then((tarball) => answer.end(tarball));
    else answer.setHeader("content-type", "application/json").end(JSON.stringify(packument()));
  });
  const origin = () => `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;
  const packument = () => ({
    name: "clawdlets",
    "dist-tags": { latest: "9.9.9" },
    versions: {
      "9.9.9": {
        name: "clawdlets",
        version: "9.9.9",
        bin: { clawdlets: "run.js" },
        dist: { tarball: `${origin()}/clawdlets-9.9.9.tgz` },
      },
    },
  });
  /** As on a machine where npx has fetched nothing yet. */
  const npx = async (...args: string[]) => {
    requests.length = 0;
    const env = { npm_config_registry: origin(), npm_config_cache: await mkdtemp(join(folder, "cache-")) };
    return execa("npx", args, { cwd: join(folder, "empty"), env, reject: false, timeout: 60_000 });
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "clawdlets-npx-"));
    const stranger = join(folder, "stranger");
    await Promise.all([mkdir(stranger), mkdir(join(folder, "empty"))]);
    await writeFile(join(stranger, "run.js"), '#!/usr/bin/env node\nconsole.log("the stranger ran");\n', {
      mode: 0o755,
    });
    const manifest = { name: "clawdlets", version: "9.9.9", bin: { clawdlets: "run.js" } };
    await writeFile(join(stranger, "package.json"), JSON.stringify(manifest));
    await execa("npm", ["pack", stranger, "--pack-destination", folder], { cwd: folder });
    await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
  }, 60_000);

  afterAll(async () => {
    registry.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("npx --no-install does not fetch and run it", async () => {
    const { exitCode, stdout } = await npx("--no-install", "clawdlets", "up", "--host", "web-1");
    expect(stdout).not.toContain("the stranger ran");
    expect(exitCode).not.toBe(0);
    expect(requests.filter((url) => url.endsWith(".tgz"))).toEqual([]);
  }, 90_000);

  it("npx without it does once its prompt is answered, which is the trap", async () => {
    const { stdout, stderr } = await npx("--yes", "clawdlets", "up", "--host", "web-1");
    expect(stdout, stderr).toContain("the stranger ran");
    expect(requests.some((url) => url.endsWith(".tgz"))).toBe(true);
  }, 90_000);
});
