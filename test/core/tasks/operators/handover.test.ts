import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../../core/base/errors.ts";
import { writePrivateFile } from "../../../../core/base/machine/private-files.ts";
import { type Layout, layoutOf } from "../../../../core/project/layout.ts";
import { asOnlyWriter } from "../../../../core/project/project-lock.ts";
import { readOperators } from "../../../../core/project/secrets/keys/operators.ts";
import { readStackJson } from "../../../../core/project/settings/stack-json/stack-json.ts";
import { exportHandover, isShared } from "../../../../core/tasks/operators/handover.ts";
import { beginJoining, finishJoining } from "../../../../core/tasks/operators/join.ts";
import { exportVault } from "../../../../core/tasks/vault/vault.ts";
import { project, publicKey, temporaryFolder } from "../../../_project.ts";

const environment = { HOME: "/nonexistent" };
const host = "clawdbot-fleet-host";
const write = (layout: Layout, path: string, text: string) => {
  const file = join(layout.dir, path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode: 0o600 });
};
const read = (layout: Layout, path: string) => readFileSync(join(layout.dir, path), "utf8");
const problemsIn = async (work: Promise<unknown>) => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  if (error instanceof UserError) return error.problems;
  throw error ?? new Error("it did not fail");
};

/** Ada's project, Bea's clone with an identity of her own that Ada has recorded as "bea", and the handover between them. */
async function two() {
  const ada = project();
  const backend = "backend:\n  url: file://.clawdlets/state\n";
  writeFileSync(join(ada.root, "Pulumi.yaml"), `name: clawdlets\nstackConfigDir: stacks\n${backend}`);
  const shared = {
    passphrase: "canary-passphrase\n",
    known_hosts: `${host} ${publicKey}\n`,
    [`secrets/hosts/${host}.agekey`]: "canary-host-identity\n",
    [`secrets/hosts/${host}/discord_token_maren.yaml`]: "ciphertext\n",
    [`hosts/${host}/install.json`]: "{}\n",
  };
  const own = {
    "secrets/operators/ada.agekey": "canary-ada-identity\n",
    "state/.pulumi/stacks/clawdlets/web-1.json": "{}\n",
    [`hosts/${host}/logs/install-1.log`]: "log\n",
  };
  for (const [path, text] of Object.entries({ ...shared, ...own })) write(ada, path, text);
  const bea = layoutOf(temporaryFolder());
  writeFileSync(join(bea.root, "Pulumi.yaml"), "name: clawdlets\n");
  const begun = await beginJoining(bea, environment);
  write(ada, "secrets/operators/bea.age.pub", `${begun.recipient}\n`);
  write(ada, "secrets/operators/bea.ssh.pub", `${publicKey}\n`);
  const file = join(temporaryFolder(), "bea.handover");
  const hand = (force = false) => exportHandover({ layout: ada, name: "bea", file, force });
  const join_ = (more: Partial<Parameters<typeof finishJoining>[0]> = {}) =>
    finishJoining({ layout: bea, environment, file, own: {}, overwrite: false, dryRun: false, ...more });
  return { ada, bea, begun, file, hand, join: join_, shared, own };
}

describe("operator handover and join", () => {
  it("bring what all share to the other, and nobody's identity, tokens, logs or state", async () => {
    const { ada, bea, begun, hand, join: take, shared, own } = await two();
    const made = await hand();
    expect(made.sharesState).toBe(false);
    const settings = { adminCidr: "198.51.100.7/32", sshPubkeyFile: "~/.ssh/bea.pub" };
    const dry = await take({ own: settings, dryRun: true });
    expect(existsSync(join(bea.dir, "passphrase"))).toBe(false);
    expect(await take({ own: settings })).toEqual(dry);
    for (const [path, text] of Object.entries(shared)) expect(read(bea, path)).toBe(text);
    for (const path of Object.keys(own)) expect(existsSync(join(bea.dir, path))).toBe(false);
    expect(read(bea, ".env")).not.toContain(read(ada, ".env").trim());
    expect(readStackJson(bea).value?.hosts[host]?.opentofu).toEqual(settings);
    expect(readStackJson(ada).value?.hosts[host]?.opentofu.adminCidr).not.toBe(settings.adminCidr);
    // Under the name that Ada gave her, once.
    expect(readOperators(bea)).toEqual([{ name: "bea", recipient: begun.recipient, sshKeys: [publicKey] }]);
    expect((await beginJoining(bea, environment)).created).toBe(false);
    expect(readOperators(bea)).toHaveLength(1);
    expect((await take()).changed).toEqual([]);
  });

  it("again bring what has changed since, keep the other's own settings, and replace no newer file without --yes", async () => {
    const { ada, bea, hand, join: take } = await two();
    await hand();
    await take({ own: { adminCidr: "198.51.100.7/32" } });
    const secret = `secrets/hosts/${host}/discord_token_maren.yaml`;
    write(ada, secret, "newer\n");
    await expect(hand()).rejects.toThrow("already exists");
    await hand(true);
    expect((await take()).changed).toEqual([`.clawdlets/${secret}`]);
    expect(readStackJson(bea).value?.hosts[host]?.opentofu.adminCidr).toBe("198.51.100.7/32");
    write(bea, secret, "Bea's own\n");
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(bea.dir, secret), later, later);
    expect(await problemsIn(take())).toMatchObject([{ code: "secret-exists", subject: `.clawdlets/${secret}` }]);
    expect(read(bea, secret)).toBe("Bea's own\n");
    await take({ overwrite: true });
    expect(read(bea, secret)).toBe("newer\n");
  });

  it("wait for a change of keys that is under way, and hold its result", async () => {
    const { ada, bea, hand, join: take } = await two();
    let handing: Promise<unknown> | undefined;
    await asOnlyWriter(ada, async () => {
      handing = hand();
      await writePrivateFile(join(ada.dir, "passphrase"), "canary-changed\n");
    });
    await handing;
    await take();
    expect(read(bea, "passphrase")).toBe("canary-changed\n");
  });

  it("name the command that makes a handover where another file is passed", async () => {
    const { file, join: take } = await two();
    writeFileSync(file, "canary-plain");
    expect(await problemsIn(take())).toMatchObject([
      { code: "file-invalid", fix: "Pass the file that operator handover wrote." },
    ]);
  });

  it("refuse an unknown operator, another's handover, a whole vault, and a clone without an identity", async () => {
    const { ada, bea, begun, file, hand, join: take } = await two();
    expect(await problemsIn(exportHandover({ layout: ada, name: "cai", file, force: false }))).toMatchObject([
      { code: "invalid-value", problem: expect.stringContaining("allowed: bea") },
    ]);
    await hand();
    const other = layoutOf(temporaryFolder());
    writeFileSync(join(other.root, "Pulumi.yaml"), "name: clawdlets\n");
    expect(await problemsIn(take({ layout: other }))).toMatchObject([{ code: "key-missing" }]);
    await beginJoining(other, environment);
    expect(await problemsIn(take({ layout: other }))).toMatchObject([{ code: "key-mismatch" }]);
    const vault = join(temporaryFolder(), "all.vault");
    const sealedFor = { recipients: [begun.recipient] };
    await exportVault({ layout: ada, environment, file: vault, sealedFor, force: false });
    expect(await problemsIn(take({ file: vault }))).toMatchObject([{ code: "file-invalid" }]);
    expect(existsSync(join(bea.dir, "passphrase"))).toBe(false);
  });

  it.each([
    ["secrets/operators/bea.age.pub", true],
    ["secrets/operators/bea.agekey", false],
    ["secrets/operators/bea.agekey.age1abc.bak", false],
    ["secrets/hosts/web-1.agekey", true],
    [".env", false],
    ["tokens", false],
    ["state", false],
    ["statement", true],
    ["hosts/web-1/install.json", true],
    ["hosts/web-1/state.json", false],
    ["hosts/web-1/windows.jsonl", false],
  ])("share %s: %s", (path, shared) => expect(isShared(path, "tokens")).toBe(shared));
});
