import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { UserError } from "../../../../core/base/errors.ts";
import { takeHostLock } from "../../../../core/base/machine/file-lock.ts";
import { observeWrites } from "../../../../core/base/machine/private-files.ts";
import { hostLayoutOf, type Layout, layoutOf } from "../../../../core/project/layout.ts";
import { createAgeKeyPair, identityFileText } from "../../../../core/project/secrets/keys/age.ts";
import { readOperators } from "../../../../core/project/secrets/keys/operators.ts";
import { decryptSecret } from "../../../../core/project/secrets/sops/sops.ts";
import { addOperator } from "../../../../core/tasks/operators/add.ts";
import { listOperators } from "../../../../core/tasks/operators/list.ts";
import { removeOperator } from "../../../../core/tasks/operators/remove.ts";
import { temporaryFolder } from "../../../_project.ts";
import { filesIn, initHost, makeProject, openHost, problemsOf, sops, valuesFor } from "../../project/secrets/_lab.ts";

const hosts = ["web-1", "web-2"] as const;
/** Made by ssh-keygen 10.0, and for the last two by a security key. */
const keys = {
  ed25519: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbjr2AMtmnfKOdoqSVY2RgdcLbOQqL3f6EbbNxZSRxi bea@laptop",
  security: `sk-ssh-ed25519@openssh.com ${skKey(false)} bea@token`,
  ecdsaSecurity: `sk-ecdsa-sha2-nistp256@openssh.com ${skKey(true)} bea@token`,
};

/** The wire format of OpenSSH's PROTOCOL.u2f. */
function skKey(ecdsa: boolean): string {
  const field = (content: Buffer | string) => {
    const bytes = Buffer.from(content);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const type = ecdsa ? "sk-ecdsa-sha2-nistp256@openssh.com" : "sk-ssh-ed25519@openssh.com";
  const key = ecdsa ? [field("nistp256"), field(Buffer.alloc(65, 4))] : [field(Buffer.alloc(32, 7))];
  return Buffer.concat([field(type), ...key, field("ssh:")]).toString("base64");
}

let layout: Layout;
const request = () => ({ layout, environment: {}, sops });
const add = (more: Partial<Parameters<typeof addOperator>[0]> & { recipient: string }) =>
  addOperator({ ...request(), name: "bea", sshKeys: [keys.ed25519], dryRun: false, ...more });
const remove = (name: string, more: { evenSo?: boolean; dryRun?: boolean } = {}) =>
  removeOperator({ ...request(), name, evenSo: false, dryRun: false, ...more });
const stackText = (host: string) => readFileSync(hostLayoutOf(layout, host).stackFile, "utf8");
const adminKeys = (host: string): string[] => parse(stackText(host)).config["clawdlets:adminSshKeys"];
const problemsIn = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof UserError)
    return error.problems.map(({ code, setting, problem }) => ({ code, setting, problem }));
  throw error ?? new Error("it did not fail");
};

/** Two hosts with secrets, and an operator outside, with a key of their own. */
async function bea() {
  const pair = await createAgeKeyPair();
  const identityFile = join(temporaryFolder(), "bea.agekey");
  writeFileSync(identityFile, identityFileText(pair), { mode: 0o600 });
  const read = async (host: string) => {
    const { store, required } = openHost(layout, host);
    const entries = required.map(async ({ name }) => {
      const file = join(store.folder, `${name}.yaml`);
      return [name, await decryptSecret(sops, { file, name, identityFile })] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  };
  return { ...pair, identityFile, read };
}

let template: string;
beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), "clawdlets-operators-"));
  layout = makeProject(template, [{ name: "web-1", bots: ["maren"] }, { name: "web-2" }]);
  for (const host of hosts) await initHost(layout, host, valuesFor(openHost(layout, host), host));
}, 120_000);
afterAll(() => rmSync(template, { recursive: true }));
beforeEach(() => {
  const root = temporaryFolder();
  cpSync(template, root, { recursive: true });
  layout = layoutOf(root);
});

/** Runs `work` again and again, each time cut off some writes later, until one run reaches its end. @returns the number of runs */
async function cutOff(work: () => Promise<unknown>, check: () => Promise<void>): Promise<number> {
  for (let runs = 1; ; runs += 1) {
    let step = 0;
    observeWrites((what) => {
      // A lock that is left inside this process, which lives on, would never be free again.
      if (/lock|holder|\/init/.test(what)) return;
      step += 1;
      // And every later one: the copy of the keys goes on after an error, a process that was killed does not.
      if (step >= runs * 8) throw new Error("cut off");
    });
    try {
      await work();
      return runs;
    } catch (error) {
      expect(String(error)).toContain("cut off");
    } finally {
      observeWrites(undefined);
    }
    await check();
  }
}

describe("operator add, with real sops", { timeout: 180_000 }, () => {
  it("lets another operator read every secret and log in to every host, keeps all else, and is idempotent", async () => {
    const { recipient, read } = await bea();
    const rules = readFileSync(layout.sopsConfig, "utf8");
    writeFileSync(layout.sopsConfig, `# kept\n${rules}  - path_regex: other/.*\n    age: ${recipient}\n`);
    const file = hostLayoutOf(layout, "web-1").stackFile;
    writeFileSync(file, stackText("web-1").replace("adminSshKeys:", "adminSshKeys: # who"));
    await expect(read("web-1")).rejects.toThrow("not one of its recipients");
    const before = filesIn(layout.root);
    const dry = await add({ recipient, dryRun: true });
    expect(filesIn(layout.root)).toEqual(before);
    const added = await add({ recipient });
    expect(added).toEqual(dry);
    expect(added.hosts.map(({ host, secrets, keys: changed }) => [host, secrets.length, changed])).toEqual([
      ["web-1", 3, true],
      ["web-2", 2, true],
    ]);
    for (const host of hosts) {
      expect(await read(host)).toEqual(valuesFor(openHost(layout, host), host));
      expect(await problemsOf(layout, host)).toEqual([]);
      expect(adminKeys(host)).toHaveLength(2);
      expect(adminKeys(host)[1]).toBe(keys.ed25519);
    }
    expect(stackText("web-1")).toContain("# who");
    const after = readFileSync(layout.sopsConfig, "utf8");
    expect(after).toContain("# kept");
    expect(after).toContain("path_regex: other/.*");
    const files = filesIn(layout.root);
    expect((await add({ recipient })).changed).toBe(false);
    expect(filesIn(layout.root)).toEqual(files);
    const { operators, problems } = await listOperators(request());
    expect(problems).toEqual([]);
    expect(operators.map(({ name, isYou, reads, logsIn }) => ({ name, isYou, reads, logsIn }))).toContainEqual({
      name: "bea",
      isYou: false,
      reads: [...hosts],
      logsIn: [...hosts],
    });
    expect(operators.filter(({ isYou }) => isYou)).toHaveLength(1);
  });

  it("is finished by the next run wherever it was cut off", async () => {
    const { recipient, read } = await bea();
    const runs = await cutOff(
      () => add({ recipient }),
      async () => expect(await problemsOf(layout, "web-1")).toEqual([]),
    );
    expect(runs).toBeGreaterThan(2);
    for (const host of hosts) expect(await read(host)).toEqual(valuesFor(openHost(layout, host), host));
  });

  it("gives a host that is made later the keys of all operators", async () => {
    const { recipient, read } = await bea();
    await add({ recipient, sshKeys: [keys.security, keys.ecdsaSecurity] });
    const stack = JSON.parse(readFileSync(layout.stackJson, "utf8"));
    stack.hosts["web-3"] = {
      ...stack.hosts["web-1"],
      secrets: { ...stack.hosts["web-1"].secrets, localDir: "secrets/hosts/web-3" },
    };
    writeFileSync(layout.stackJson, JSON.stringify(stack));
    await initHost(layout, "web-3", valuesFor(openHost(layout, "web-3"), "web-3"));
    expect(adminKeys("web-3").slice(1)).toEqual([keys.security, keys.ecdsaSecurity]);
    expect(await read("web-3")).toEqual(valuesFor(openHost(layout, "web-3"), "web-3"));
  });

  it("takes every form of key that OpenSSH has, from a file or as a line", async () => {
    const { recipient } = await bea();
    const file = join(layout.root, "bea.pub");
    const pair = join(temporaryFolder(), "key");
    await execa("ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-C", "bea at work", "-f", pair]);
    writeFileSync(file, readFileSync(`${pair}.pub`));
    const { operator } = await add({ recipient, sshKeys: [file, keys.security, keys.ed25519, keys.ed25519] });
    const names = operator.sshKeys.map((key) => key.split(" ")[0]);
    expect(names).toEqual(["ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com", "ssh-ed25519"]);
    expect(adminKeys("web-1")).toHaveLength(4);
  });

  it("refuses what is malformed, taken or private, before anything changes, and quotes no private key", async () => {
    const { recipient, identity } = await bea();
    const other = (await createAgeKeyPair()).recipient;
    const own = readOperators(layout)[0];
    const host = openHost(layout, "web-1").store.files;
    const ofHost = readFileSync(host.recipient, "utf8").trim();
    const wrongSum = recipient.replace(/.$/, (last) => (last === "q" ? "p" : "q"));
    const privateKey = join(temporaryFolder(), "id");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", privateKey]);
    const before = filesIn(layout.root);
    const table: [Parameters<typeof add>[0], string, string | undefined][] = [
      [{ recipient: identity }, "key-invalid", "--age"],
      [{ recipient: recipient.slice(0, -1) }, "key-invalid", "--age"],
      [{ recipient: wrongSum }, "key-invalid", "--age"],
      [{ recipient: "" }, "key-invalid", "--age"],
      [{ recipient: ofHost }, "not-unique", "--age"],
      [{ recipient: own?.recipient ?? "" }, "not-unique", "--age"],
      [{ recipient, name: own?.name ?? "" }, "not-unique", "--age"],
      [{ recipient, name: "../bea" }, "invalid-value", "name"],
      [{ recipient, name: "" }, "invalid-value", "name"],
      [{ recipient, name: "-rf" }, "invalid-value", "name"],
      [{ recipient, sshKeys: [keys.ed25519.replace("AAAAC3", "AAAAC4")] }, "key-invalid", "--ssh-key"],
      [{ recipient, sshKeys: [`${keys.ed25519}\nssh-rsa x`] }, "key-invalid", "--ssh-key"],
      [{ recipient, sshKeys: [privateKey] }, "key-invalid", "--ssh-key"],
      [{ recipient, sshKeys: [readFileSync(privateKey, "utf8")] }, "key-invalid", "--ssh-key"],
      [{ recipient, sshKeys: [join(layout.root, "none.pub")] }, "file-missing", "--ssh-key"],
      [{ recipient, sshKeys: [`command="id" ${keys.ed25519}`] }, "file-missing", "--ssh-key"],
    ];
    for (const [given, code, setting] of table) {
      const problems = await problemsIn(add(given));
      expect(problems, JSON.stringify(given)).toMatchObject([{ code, setting }]);
      expect(JSON.stringify(problems)).not.toMatch(/AGE-SECRET|BEGIN OPENSSH/);
    }
    expect(filesIn(layout.root)).toEqual(before);
    await add({ recipient });
    expect(await problemsIn(add({ recipient: other, name: "cai" }))).toMatchObject([
      { code: "not-unique", setting: "--ssh-key" },
    ]);
    expect(await problemsIn(add({ recipient: other }))).toMatchObject([{ code: "not-unique", setting: "--age" }]);
  });
});

describe("operator remove, with real sops", { timeout: 180_000 }, () => {
  it("locks an operator out of every secret and stack file, and lists what they could know", async () => {
    const { recipient, read } = await bea();
    await add({ recipient });
    const before = filesIn(layout.root);
    const dry = await remove("bea", { dryRun: true });
    expect(filesIn(layout.root)).toEqual(before);
    const removed = await remove("bea");
    expect(removed).toEqual(dry);
    for (const host of hosts) {
      await expect(read(host)).rejects.toThrow("not one of its recipients");
      expect(await problemsOf(layout, host)).toEqual([]);
      expect(adminKeys(host)).toHaveLength(1);
      expect(adminKeys(host)[0]).not.toContain("bea");
    }
    expect([...filesIn(layout.dir).values()].join("")).not.toContain(recipient);
    const known = removed.couldKnow.filter(({ host }) => host === "web-1");
    expect(known.map(({ what }) => what)).toEqual([
      "admin_password_hash",
      "discord_token_maren",
      "tailscale_auth_key",
      "age identity",
      "ssh host key",
    ]);
    expect(known[1]?.fix).toBe(
      "revoke it at its provider, then: clawdlets secrets edit discord_token_maren --host web-1",
    );
    expect(await problemsIn(remove("bea"))).toMatchObject([{ code: "invalid-value", setting: "name" }]);
  });

  it("is finished by the next run wherever it was cut off", async () => {
    const { recipient, read } = await bea();
    await add({ recipient });
    const runs = await cutOff(
      () => remove("bea"),
      async () => expect(await problemsOf(layout, "web-1")).toEqual([]),
    );
    expect(runs).toBeGreaterThan(2);
    for (const host of hosts) await expect(read(host)).rejects.toThrow("not one of its recipients");
  });

  it("refuses yourself and the only operator without --yes, and a host without any key even then", async () => {
    const [own] = readOperators(layout);
    const name = own?.name ?? "";
    expect(await problemsIn(remove(name))).toMatchObject([{ code: "usage", problem: expect.stringContaining("only") }]);
    expect(await problemsIn(remove(name, { evenSo: true }))).toMatchObject(
      hosts.map(() => ({ code: "no-way-in", setting: "clawdlets:adminSshKeys" })),
    );
    const { recipient, read } = await bea();
    await add({ recipient });
    expect(await problemsIn(remove(name))).toMatchObject([
      { code: "usage", problem: expect.stringContaining("is you") },
    ]);
    await remove(name, { evenSo: true });
    expect(readOperators(layout).map((each) => each.name)).toEqual(["bea"]);
    expect(adminKeys("web-1")).toEqual([keys.ed25519]);
    expect(await read("web-1")).toEqual(valuesFor(openHost(layout, "web-1"), "web-1"));
    // With the identity in its place, secrets init would let its owner in again.
    expect(existsSync(own ? join(layout.operators, `${name}.agekey`) : "")).toBe(false);
  });

  it("refuses to leave the key of an operator of whom only the recipient is known", async () => {
    const { recipient } = await bea();
    mkdirSync(layout.operators, { recursive: true });
    writeFileSync(join(layout.operators, "bea.age.pub"), `${recipient}\n`);
    for (const host of hosts) await initHost(layout, host);
    appendFileSync(hostLayoutOf(layout, "web-1").stackFile, `    - ${keys.ed25519}\n`);
    expect(await problemsIn(remove("bea"))).toMatchObject([
      { code: "key-missing", setting: "clawdlets:adminSshKeys" },
      { code: "key-missing", setting: "clawdlets:adminSshKeys" },
    ]);
    await add({ recipient });
    await remove("bea");
    expect(adminKeys("web-1")).toHaveLength(1);
  });
});

describe("while a change is under way", { timeout: 180_000 }, () => {
  it.each(["add", "remove"])(
    "%s waits for nothing, changes nothing, and names who is at work",
    async (verb) => {
      const { recipient } = await bea();
      if (verb === "remove") await add({ recipient });
      const release = await takeHostLock(hostLayoutOf(layout, "web-2").lock, "web-2", () => undefined);
      const before = readFileSync(layout.sopsConfig, "utf8");
      const work = verb === "add" ? add({ recipient }) : remove("bea");
      expect(await problemsIn(work)).toMatchObject([{ code: "busy", problem: expect.stringContaining("web-2") }]);
      expect(readFileSync(layout.sopsConfig, "utf8")).toBe(before);
      await release();
      const locks = join(layout.state, ".pulumi", "locks", "organization", "clawdlets", "web-1");
      mkdirSync(locks, { recursive: true });
      writeFileSync(join(locks, "x.json"), "{}");
      expect(await problemsIn(verb === "add" ? add({ recipient }) : remove("bea"))).toMatchObject([{ code: "busy" }]);
    },
    60_000,
  );
});
