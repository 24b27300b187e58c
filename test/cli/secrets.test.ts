import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { verify } from "unixcrypt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layoutOf } from "../../core/project/layout.ts";
import { readSecret } from "../../core/project/secrets/store.ts";
import { temporaryFolder } from "../_project.ts";
import { filesIn, openHost, passwordHash } from "../core/project/secrets/_lab.ts";
import { onTerminal } from "./_terminal.ts";

const entry = join(process.cwd(), "bin", "clawdlets.mjs");

/** An empty project with an operator's key, and its own home. */
async function project(): Promise<string> {
  const root = temporaryFolder();
  copyFileSync("Pulumi.yaml", join(root, "Pulumi.yaml"));
  mkdirSync(join(root, "home", ".ssh"), { recursive: true });
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(root, "home", ".ssh", "id_ed25519")]);
  await execa("git", ["init", "--quiet"], { cwd: root });
  return root;
}

function clawdlets(root: string, args: string[], input: string | Uint8Array = "", env: Record<string, string> = {}) {
  return execa(process.execPath, [entry, ...args], {
    cwd: root,
    input,
    env: { HOME: join(root, "home"), ...env },
    reject: false,
    all: true,
  });
}

const facts = ["--host", "web-1", "--admin-cidr", "203.0.113.9/32", "--bots", "maren"];
const upstreamsJson = JSON.stringify({
  adminPasswordHash: passwordHash,
  tailscaleAuthKey: "tskey-auth-canary",
  discordTokens: { maren: "canary-token" },
});

/** A project with one host, made by the commands once. */
const template = mkdtempSync(join(tmpdir(), "clawdlets-cli-"));
beforeAll(async () => {
  const root = await project();
  const { exitCode, all } = await clawdlets(root, ["init", ...facts, "--from-json", "-"], upstreamsJson);
  expect(exitCode, all).toBe(0);
  cpSync(root, template, { recursive: true });
});
afterAll(() => rmSync(template, { recursive: true, force: true }));

function initialised(): string {
  const root = temporaryFolder();
  cpSync(template, root, { recursive: true });
  return root;
}

const valueIn = (root: string, name: string) => readSecret(openHost(layoutOf(root), "web-1").store, name);

describe("clawdlets init", () => {
  it("asks for everything on a terminal, hides secrets, and hashes the password it is told", async () => {
    const root = await project();
    const { screen, exitCode } = await onTerminal(
      `${process.execPath} ${entry} init`,
      [
        ["Name of the host", "web-1\r"],
        ["Your own network", "203.0.113.9/24\r"],
        ["write 203.0.113.0/24", "\u007f\u007f\u007f/32\r"],
        ["Your ssh public key file", "\r"],
        ["bots, separated by commas", "\r"],
        ["Flake with the host", "\r"],
        ["changes the running host later", "\r"],
        ["Admin password", "short\r"],
        ["at least 12", "\u0015correct horse battery\r"],
        ["Repeat the password", "correct horse batterx\r"],
        ["does not match", "\u0015correct horse battery\r"],
        ["tailscale_auth_key", "tskey-auth-canary\r"],
      ],
      { cwd: root, env: { HOME: join(root, "home") } },
    );
    expect(exitCode, screen).toBe(0);
    expect(screen).not.toContain("canary");
    expect(screen).not.toContain("horse");
    expect(verify("correct horse battery", (await valueIn(root, "admin_password_hash")) ?? "")).toBe(true);
    expect(await valueIn(root, "tailscale_auth_key")).toBe("tskey-auth-canary");
  }, 60_000);

  it("Ctrl-C at a secret's question stops it and leaves no key behind", async () => {
    const root = await project();
    await clawdlets(root, ["init", ...facts]);
    const { exitCode, screen } = await onTerminal(
      `${process.execPath} ${entry} secrets init`,
      [["Admin password", "\u0003"]],
      { cwd: root, env: { HOME: join(root, "home") } },
    );
    expect(screen).toContain("Nothing was written");
    expect(exitCode).toBe(130);
    expect(existsSync(join(root, ".clawdlets", "secrets"))).toBe(false);
  }, 60_000);

  it("without a terminal makes the files, ignores .clawdlets first, and says what is next", async () => {
    const root = await project();
    const { exitCode, stdout } = await clawdlets(root, ["init", ...facts, "--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, next: "clawdlets secrets init --host web-1" });
    expect((await execa("git", ["check-ignore", ".clawdlets/stack.json"], { cwd: root })).exitCode).toBe(0);
    const again = await clawdlets(root, ["init", ...facts, "--json"]);
    expect(JSON.parse(again.stdout).make).toEqual([]);
  }, 30_000);

  it("changes nothing in a dry run, nor when something is missing or wrong", async () => {
    const root = await project();
    const before = readdirSync(root);
    expect((await clawdlets(root, ["init", ...facts, "--dry-run"])).exitCode).toBe(0);
    const missing = await clawdlets(root, ["init", "--host", "web-1"]);
    expect(missing.exitCode).toBe(3);
    expect(missing.all).toMatch(/--admin-cidr: missing; allowed: your own network/);
    const world = await clawdlets(root, ["init", "--host", "web-1", "--admin-cidr", "0.0.0.0/0"]);
    expect(world.all).toMatch(/--admin-cidr: is "0\.0\.0\.0\/0"; it covers all of IPv4/);
    expect(readdirSync(root)).toEqual(before);
  }, 30_000);
});

describe("clawdlets secrets", () => {
  it("takes upstream's JSON, verifies, edits from standard input and rotates", async () => {
    const root = initialised();
    expect((await clawdlets(root, ["secrets", "verify"])).exitCode).toBe(0);
    expect((await clawdlets(root, ["secrets", "edit", "discord_token_maren"], "newer\n")).exitCode).toBe(0);
    expect(await valueIn(root, "discord_token_maren")).toBe("newer");
    const rotated = await clawdlets(root, ["secrets", "rotate", "--json"]);
    const { from, to, delivered, retired } = JSON.parse(rotated.stdout);
    expect(delivered).toBe(false);
    expect(readFileSync(join(root, "stacks", "Pulumi.web-1.yaml"), "utf8")).toContain(to);
    expect(readFileSync(join(root, retired), "utf8")).toContain(from);
    const verified = await clawdlets(root, ["secrets", "verify", "--json"]);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, recipient: to });
  }, 60_000);

  it("opens an editor on a file in memory, and leaves none behind", async () => {
    const root = initialised();
    const seen = join(root, "seen");
    const editor = join(root, "editor");
    writeFileSync(editor, `#!/bin/sh\necho "$1" >> ${seen}; cat "$1" >> ${seen}; echo edited > "$1"\n`, {
      mode: 0o755,
    });
    const { exitCode, screen } = await onTerminal(
      `${process.execPath} ${entry} secrets edit discord_token_maren --ask`,
      [["discord_token_maren", "asked\r"]],
      { cwd: root, env: { HOME: join(root, "home"), EDITOR: editor } },
    );
    expect(exitCode, screen).toBe(0);
    const command = `${process.execPath} ${entry} secrets edit discord_token_maren`;
    await onTerminal(command, [], { cwd: root, env: { HOME: join(root, "home"), EDITOR: editor, VISUAL: "" } });
    expect(await valueIn(root, "discord_token_maren")).toBe("edited");
    const [path = "", old] = readFileSync(seen, "utf8").split("\n");
    expect(old).toBe("asked");
    expect(path).toMatch(/^\/dev\/shm\//);
    expect(existsSync(path)).toBe(false);
  }, 60_000);

  it("fails verify with 3 and names what is wrong, in words and in JSON", async () => {
    const root = initialised();
    rmSync(join(root, ".clawdlets", "secrets", "hosts", "web-1", "tailscale_auth_key.yaml"));
    const { exitCode, stdout, stderr } = await clawdlets(root, ["secrets", "verify", "--json"]);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/missing {2}tailscale_auth_key: missing: .* clawdlets secrets init --host web-1/);
    expect(JSON.parse(stdout).secrets).toContainEqual(
      expect.objectContaining({
        name: "tailscale_auth_key",
        status: "missing",
        code: "secret-missing",
        fix: expect.stringContaining("clawdlets secrets init --host web-1"),
      }),
    );
  }, 30_000);

  it.each([
    [["secrets", "edit", "discord_token_maren"], /the new value on standard input: it is not UTF-8 text/],
    [["secrets", "init", "--from-json", "-"], /--from-json -: it is not UTF-8 text/],
    [["vault", "export", "out.vault", "--passphrase"], /the passphrase on standard input: it is not UTF-8 text/],
  ])("%j refuses bytes that are not UTF-8 and changes nothing", async (args, reason) => {
    const root = initialised();
    const before = await valueIn(root, "discord_token_maren");
    const input = Buffer.from([...Buffer.from("canary-0123456789-"), 0xff, 0xfe, 0x0a]);
    const { exitCode, all } = await clawdlets(root, args, input);
    expect([exitCode, all]).toEqual([2, expect.stringMatching(reason)]);
    expect(all).not.toContain("canary");
    expect(await valueIn(root, "discord_token_maren")).toBe(before);
    expect(existsSync(join(root, "out.vault"))).toBe(false);
  });

  it("two commands at once wait for each other, and the result is whole", async () => {
    const root = initialised();
    const edits = ["one", "two", "three"].map((value) =>
      clawdlets(root, ["secrets", "edit", "discord_token_maren"], value),
    );
    const results = await Promise.all([...edits, clawdlets(root, ["secrets", "rotate"])]);
    expect(
      results.map(({ exitCode }) => exitCode),
      results.map(({ all }) => all).join(""),
    ).toEqual([0, 0, 0, 0]);
    expect((await clawdlets(root, ["secrets", "verify"])).exitCode).toBe(0);
    expect(["one", "two", "three"]).toContain(await valueIn(root, "discord_token_maren"));
  }, 60_000);

  it.each([
    ["no JSON", "{canary-not-json", /it is not JSON\. Allowed: one object/, 2],
    ["a list", '["canary"]', /it is not an object/, 2],
    [
      "a value that is not a string",
      '{"tailscale_auth_key": {"canary": 1}}',
      /tailscale_auth_key: must be a string/,
      3,
    ],
  ])(
    "refuses %s without quoting it",
    async (_, input, reason, code) => {
      const root = await project();
      await clawdlets(root, ["init", ...facts]);
      const { all, exitCode } = await clawdlets(root, ["secrets", "init", "--from-json", "-"], input);
      expect(exitCode).toBe(code);
      expect(all).toMatch(reason);
      expect(all).not.toContain("canary");
      expect(existsSync(join(root, ".clawdlets", "secrets"))).toBe(false);
    },
    30_000,
  );

  it("leaves a stack that plain pulumi finds, with its salt in the stack file", async () => {
    const root = initialised();
    expect(readFileSync(join(root, "stacks", "Pulumi.web-1.yaml"), "utf8")).toMatch(/^encryptionsalt: v1:/m);
    const env = await clawdlets(root, ["env"]);
    const script = `${env.stdout}\npulumi stack ls --json`;
    const { stdout } = await execa("sh", ["-c", script], { cwd: root });
    expect(JSON.parse(stdout)).toMatchObject([{ name: "web-1" }]);
  }, 30_000);

  it("keeps plaintext out of every file and every output", async () => {
    const root = initialised();
    await clawdlets(root, ["secrets", "rotate"]);
    const texts = [...filesIn(root).values()].join("\n");
    for (const canary of ["tskey-auth-canary", "canary-token", passwordHash]) expect(texts).not.toContain(canary);
  }, 30_000);
});
