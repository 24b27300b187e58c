import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureSshKey, publicKeyOf } from "../../../../core/base/machine/ssh-keys.ts";
import { ensureBootstrapKeys } from "../../../../core/host/install/bootstrap-keys.ts";
import { checkKeys } from "../../../../core/host/install/preflight.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import type { HostSettings } from "../../../../core/project/settings/host.ts";
import { project } from "../../../_project.ts";

const host = "web-1";
const before = process.env["SSH_AUTH_SOCK"];
const stops: (() => Promise<unknown>)[] = [];

async function keysOf() {
  const layout = project({}, host);
  const files = hostLayoutOf(layout, host);
  await ensureBootstrapKeys(files, host);
  await ensureSshKey(files.hostKey, host);
  const operator = join(layout.root, "operator", "id_ed25519");
  await ensureSshKey(operator, "you");
  const settings = {
    host,
    reinstall: 0,
    sshHostKey: publicKeyOf(files.hostKey),
    adminSshKeys: [publicKeyOf(operator)],
  };
  const problems = () =>
    checkKeys({ layout, settings: settings as unknown as HostSettings, local: { sshPubkeyFile: `${operator}.pub` } });
  return { files, operator, problems };
}

beforeEach(() => {
  delete process.env["SSH_AUTH_SOCK"];
});
afterEach(async () => {
  if (before === undefined) delete process.env["SSH_AUTH_SOCK"];
  else process.env["SSH_AUTH_SOCK"] = before;
  for (const stop of stops.splice(0)) await stop();
});

const edits: Readonly<Record<string, (text: string) => string>> = {
  "has Windows line breaks (CRLF), which ssh cannot read.": (text) => text.replaceAll("\n", "\r\n"),
  "does not end with a line break, so ssh cannot read it.": (text) => text.trimEnd(),
  // OpenSSH's own words differ between versions.
  "ssh cannot read it (…).": (text) => `${text.slice(0, 200)}\n`,
};

describe("a private key that ssh cannot use is refused before a server is bought", () => {
  it("and keys as they were made are not", async () => {
    expect(await (await keysOf()).problems()).toEqual([]);
  });

  it.each(Object.entries(edits))("%s", async (problem, edit) => {
    const { files, operator, problems } = await keysOf();
    for (const path of [files.bootstrapClientKey, files.bootstrapHostKey, files.hostKey, operator])
      writeFileSync(path, edit(readFileSync(path, "utf8")));
    const found = await problems();
    expect(found.map((each) => [each.setting, each.problem.replace(/\(.{5,40}\)\.$/, "(…).")])).toEqual([
      ["one-time keys", problem],
      ["one-time keys", problem],
      ["host key", problem],
      ["hosts.web-1.opentofu.sshPubkeyFile", problem],
    ]);
    // The advice is a command that works, if it is one.
    const [, command] = /: (sed .*|echo .*)$/.exec(found[0]?.fix ?? "") ?? [];
    if (command === undefined) return;
    await execa("sh", ["-c", command]);
    expect(await problems()).toHaveLength(3);
  });

  it("one of another pair", async () => {
    const { files, operator, problems } = await keysOf();
    copyFileSync(files.bootstrapHostKey, files.hostKey);
    copyFileSync(files.bootstrapHostKey, operator);
    expect((await problems()).map(({ code, setting }) => [code, setting])).toEqual([
      ["key-mismatch", "host key"],
      ["key-mismatch", "hosts.web-1.opentofu.sshPubkeyFile"],
    ]);
  });

  it("one that others can read", async () => {
    const { operator, problems } = await keysOf();
    chmodSync(operator, 0o644);
    expect(await problems()).toMatchObject([
      { code: "key-invalid", problem: expect.stringContaining("others on this machine can read it") },
    ]);
  });
});

describe("the operator's key", () => {
  async function startAgent(): Promise<void> {
    const { stdout } = await execa("ssh-agent", ["-s"]);
    const [, socket = ""] = /SSH_AUTH_SOCK=([^;]+)/.exec(stdout) ?? [];
    const [, pid = ""] = /SSH_AGENT_PID=(\d+)/.exec(stdout) ?? [];
    stops.push(() => execa("ssh-agent", ["-k"], { env: { SSH_AGENT_PID: pid } }));
    process.env["SSH_AUTH_SOCK"] = socket;
  }

  it("may have a passphrase or no file at all, if an agent holds it", async () => {
    const { operator, problems } = await keysOf();
    await startAgent();
    await execa("ssh-add", ["-q", operator]);
    await execa("ssh-keygen", ["-q", "-p", "-P", "", "-N", "canary0123456789", "-f", operator]);
    expect(await problems()).toEqual([]);
    rmSync(operator);
    expect(await problems()).toEqual([]);
    await execa("ssh-add", ["-q", "-D"]);
    expect(await problems()).toMatchObject([
      { code: "key-missing", problem: expect.stringContaining("nor in an ssh agent") },
    ]);
  });

  it("is refused if nobody could type its passphrase", async () => {
    const { operator, problems } = await keysOf();
    await execa("ssh-keygen", ["-q", "-p", "-P", "", "-N", "canary0123456789", "-f", operator]);
    const [found, ...others] = await problems();
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      code: "key-invalid",
      subject: operator,
      fix: `Add it to your agent: ssh-add '${operator}'`,
    });
    expect(found?.problem).toContain("needs a passphrase");
  });
});
