import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { type Emulator, startEmulator } from "../../emulator/index.ts";
import { repository } from "../_repository.ts";
import { onTerminal } from "../cli/_terminal.ts";
import { installPacked, packed } from "./_tarball.ts";

/** From the packed tarball alone: a repository, and in it the life of a host on the emulator. */
let parent: string;
let emulator: Emulator;
let first: { folder: string; stdout: string };

const minutes = (count: number) => count * 60_000;
const secrets = {
  admin_password_hash: `$6$examplesalt$${"a".repeat(86)}`,
  tailscale_auth_key: `tskey-auth-${"0".repeat(16)}`,
};
const tool = () => join(parent, "tool", "node_modules", ".bin", "clawdlets");
const own = "npx --no-install clawdlets";
const git = (folder: string, ...args: string[]) => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" });

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), "clawdlets-new-"));
  mkdirSync(join(parent, "tool"));
  const [{ path }] = await Promise.all([packed(), ensureSshKey(join(parent, "operator"), "operator")]);
  await installPacked(join(parent, "tool"));
  emulator = await startEmulator({ data: join(parent, "emulator") });
  const made = await execa(tool(), ["new", "my-bots", "--package", path, "--json"], {
    cwd: parent,
    reject: false,
    stdin: "ignore",
  });
  expect(made.exitCode, made.stderr).toBe(0);
  first = { folder: join(parent, "my-bots"), stdout: made.stdout };
  // The engine that is here already.
  symlinkSync(join(repository, ".toolchain"), join(first.folder, ".toolchain"));
}, minutes(10));
afterAll(async () => {
  await emulator?.close();
  rmSync(parent, { recursive: true, force: true });
}, minutes(5));

async function inside(
  folder: string,
  line: string,
  input = "",
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const {
    exitCode = -1,
    stdout,
    stderr,
  } = await execa("bash", ["--norc", "-c", line], { cwd: folder, input, reject: false });
  return { exitCode, stdout: String(stdout), stderr: String(stderr) };
}

async function must(folder: string, line: string, input?: string): Promise<string> {
  const { exitCode, stdout, stderr } = await inside(folder, line, input);
  if (exitCode !== 0) throw new Error(`${line}: exit code ${exitCode}\n${stderr}\n${stdout}`);
  return stdout;
}

function useEmulator(folder: string): void {
  const standIns = join(folder, "node_modules/@clawdlets/infra/emulator/stand-ins");
  const variables = {
    HCLOUD_TOKEN: emulator.token,
    HCLOUD_ENDPOINT: emulator.endpoint,
    CLAWDLETS_SSH_PORT: String(emulator.sshPort),
    CLAWDLETS_NIXOS_ANYWHERE: join(standIns, "nixos-anywhere"),
    CLAWDLETS_TAILSCALE: join(standIns, "tailscale"),
    CLAWDLETS_KEY_COPY: "off",
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value}"\n`);
  mkdirSync(join(folder, ".clawdlets"), { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, ".clawdlets", ".env"), lines.join(""), { mode: 0o600 });
}

/** As the repository's README says. */
function letRebuild(folder: string, host: string): void {
  const nix = /```nix\n([\s\S]+?)```/.exec(readFileSync(join(folder, "README.md"), "utf8"))?.[1] ?? "";
  writeFileSync(join(folder, `hosts/${host}.nix`), nix);
}

const commit = (folder: string) =>
  execFileSync("git", [
    "-C",
    folder,
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@t.invalid",
    "-c",
    "commit.gpgsign=false",
    "commit",
    "--quiet",
    "--allow-empty",
    "-am",
    "next",
  ]);

describe("clawdlets new, from the packed tarball", () => {
  it("pins every package in its first commit, the packed build too", () => {
    const { folder, stdout } = first;
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, installed: true, folder });
    const files = git(folder, "ls-files").trim().split("\n");
    expect(files).toEqual(
      expect.arrayContaining(["package-lock.json", "vendor/clawdlets-infra-0.1.0.tgz", "flake.nix"]),
    );
    expect(files.filter((file) => /^(node_modules|\.toolchain|\.clawdlets)/.test(file))).toEqual([]);
    expect(git(folder, "status", "--porcelain")).toBe("");
    const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
    expect(packages["node_modules/@clawdlets/infra"]).toMatchObject({
      version: "0.1.0",
      integrity: expect.stringMatching(/^sha512-/),
    });
    // What Nix reads of the package is in it.
    for (const file of ["core/project/secrets/plan.json", "core/project/egress/domains.json", "flake.lock"]) {
      expect(() => readFileSync(join(folder, "node_modules/@clawdlets/infra", file))).not.toThrow();
    }
  });

  it(
    "previews its example stack as its workflow does",
    async () => {
      const { exitCode, stdout, stderr } = await inside(first.folder, `${own} preview --ci --all --format json`);
      expect(exitCode, stderr).toBe(0);
      expect(JSON.parse(stdout).hosts).toMatchObject([{ host: "example", verdict: "clean" }]);
    },
    minutes(3),
  );

  it(
    "leads to a host that is created, rebuilt and destroyed, without a question",
    async () => {
      const { folder } = first;
      const key = join(parent, "operator.pub");
      const init = `${own} init --host web-1 --admin-cidr 127.0.0.1/32 --ssh-pubkey ${key} --from-json -`;
      useEmulator(folder);
      await must(folder, init, JSON.stringify(secrets));
      letRebuild(folder, "web-1");
      git(folder, "add", "--all");
      commit(folder);
      const up = JSON.parse(await must(folder, `${own} up --host web-1 --json`));
      expect(up).toMatchObject({ ok: true, stack: "web-1" });
      commit(folder);
      const rebuilt = JSON.parse(await must(folder, `${own} rebuild --host web-1 --json`));
      expect(rebuilt).toMatchObject({ ok: true });
      expect(emulator.report().servers).toMatchObject([{ name: "web-1", os: "nixos", installRuns: 1 }]);
      await must(folder, `${own} destroy --host web-1 --yes --json`);
      expect(emulator.report().servers).toEqual([]);
    },
    minutes(8),
  );

  it(
    "asks a person for the folder, and what the first host needs; Ctrl-C at a question leaves nothing",
    async () => {
      const stopped = await onTerminal(`${tool()} new --no-install`, [["Folder to make", "\u0003"]], {
        cwd: parent,
        timeout: minutes(3),
      });
      expect([stopped.exitCode, stopped.screen]).toEqual([130, expect.stringContaining("Nothing was written")]);
      const asked = await onTerminal(
        `${tool()} new --no-install`,
        [
          ["Folder to make", "my-bots\r"],
          ["is not empty", "\u0015mine\r"],
        ],
        { cwd: parent, timeout: minutes(3) },
      );
      expect(asked.screen).toMatch(/next: cd '?mine'? && npm install/);
      const folder = join(parent, "mine");
      for (const link of ["node_modules", ".toolchain"]) symlinkSync(join(first.folder, link), join(folder, link));
      useEmulator(folder);
      const password = "correct horse battery";
      const made = await onTerminal(
        `${own} init`,
        [
          ["Name of the host", "web-2\r"],
          ["Your own network", "127.0.0.1/32\r"],
          ["Your ssh public key file", `\u0015${join(parent, "operator.pub")}\r`],
          ["bots, separated by commas", "\r"],
          ["Flake with the host", "\r"],
          ["changes the running host later", "\r"],
          ["Admin password", `${password}\r`],
          ["Repeat the password", `${password}\r`],
          ["tailscale_auth_key", `${secrets.tailscale_auth_key}\r`],
        ],
        { cwd: folder, timeout: minutes(3) },
      );
      expect([made.exitCode, made.screen]).toEqual([0, expect.stringContaining("web-2: ready.")]);
      letRebuild(folder, "web-2");
      git(folder, "add", "--all");
      commit(folder);
      const life = `${own} up --host web-2 && git commit --quiet --allow-empty -m next && ${own} rebuild --host web-2 && ${own} destroy --host web-2`;
      writeFileSync(join(parent, "life.sh"), `set -e\n${life}\n`);
      const env = {
        GIT_AUTHOR_NAME: "t",
        GIT_AUTHOR_EMAIL: "t@t.invalid",
        GIT_COMMITTER_NAME: "t",
        GIT_COMMITTER_EMAIL: "t@t.invalid",
      };
      const lived = await onTerminal(`bash ${join(parent, "life.sh")}`, [["Type the host's name", "web-2\r"]], {
        timeout: minutes(5),
        cwd: folder,
        env,
      });
      expect([lived.exitCode, emulator.report().servers], lived.screen).toEqual([0, []]);
      expect(lived.screen).toContain("web-2: destroyed");
    },
    minutes(8),
  );
});
