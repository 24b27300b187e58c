import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Encrypter } from "age-encryption";
import { execa } from "execa";
import { packTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { observeWrites } from "../../../../core/base/machine/private-files.ts";
import { type Layout, layoutOf } from "../../../../core/project/layout.ts";
import { createAgeKeyPair, identityFileText } from "../../../../core/project/secrets/keys/age.ts";
import { unpack } from "../../../../core/tasks/vault/contents.ts";
import { exportVault, importVault, lastExport, verifyVault } from "../../../../core/tasks/vault/vault.ts";
import { project, temporaryFolder, token } from "../../../_project.ts";
import fc from "../../../_properties.ts";
import { ageTool } from "../../project/secrets/_lab.ts";

const passphrase = "correct horse battery staple 0123456789";
const environment = { HOME: "/nonexistent" };

/** A project with a file of every kind that `.clawdlets` has. */
function full(): Layout {
  const layout = project();
  const files = {
    passphrase: "canary-passphrase\n",
    "secrets/hosts/web-1.agekey": "canary-identity\n",
    "secrets/hosts/web-1/discord_token_maren.yaml": "canary-ciphertext\n",
    "state/.pulumi/stacks/clawdlets/web-1.json": '{"canary": "state"}',
    [`hosts/web-1/logs/${"long-".repeat(40)}.log`]: "log\n",
    "hosts/web-1/staging/var/lib/sops-nix/key.txt": "left out",
    "hosts/web-1/lock": "left out",
    "dist/program.mjs": "left out",
    "extra-files/web-1/usr/local/bin/hello": "#!/bin/sh\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(layout.dir, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(layout.dir, path), text, { mode: 0o600 });
  }
  chmodSync(join(layout.dir, "extra-files/web-1/usr/local/bin/hello"), 0o755);
  return layout;
}

/** A clone of a project's public files, as on a new machine. */
function clone(): Layout {
  const layout = layoutOf(temporaryFolder());
  writeFileSync(join(layout.root, "Pulumi.yaml"), "name: clawdlets\nstackConfigDir: stacks\n");
  return layout;
}

function filesOf({ dir }: Layout): Record<string, string> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  const kept = paths.filter((path) => !/^dist|staging|lock$|^vault\.json$|\.holder$/.test(path)).sort();
  return Object.fromEntries(kept.map((path) => [path, readFileSync(join(dir, path), "utf8")]));
}

const vaultIn = () => join(temporaryFolder(), "hosts.vault");
const exportTo = (
  layout: Layout,
  file: string,
  sealedFor: Parameters<typeof exportVault>[0]["sealedFor"],
  force = false,
) => exportVault({ layout, environment, file, sealedFor, force });

describe("a vault", () => {
  it("brings every file to another machine, private, and says what it does not have", { timeout: 60_000 }, async () => {
    const [layout, file] = [full(), vaultIn()];
    const before = filesOf(layout);
    const exported = await exportTo(layout, file, { passphrase });
    expect(exported).toMatchObject({ files: Object.keys(before).length, hosts: ["clawdbot-fleet-host"] });
    expect(exported.outside).toEqual(["/nonexistent/.ssh/id_ed25519.pub"]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file).includes("canary")).toBe(false);
    expect(readFileSync(file).includes(token)).toBe(false);
    expect(lastExport(layout)).toMatchObject({ ageDays: 0, isCurrent: true });

    const there = clone();
    const imported = await importVault({ layout: there, environment, file }, { passphrase });
    expect(imported.outside).toEqual([{ path: "/nonexistent/.ssh/id_ed25519.pub", isHere: false }]);
    expect(filesOf(there)).toEqual(before);
    expect(statSync(there.dir).mode & 0o777).toBe(0o700);
    expect(statSync(there.passphrase).mode & 0o777).toBe(0o600);
    expect(statSync(join(there.dir, "extra-files/web-1/usr/local/bin/hello")).mode & 0o777).toBe(0o755);
    expect(await verifyVault(there, file, { passphrase })).toMatchObject({ ageDays: 0, changed: [] });
  });

  it("is opened by age and tar alone", { timeout: 60_000 }, async () => {
    const [layout, file, folder] = [full(), vaultIn(), temporaryFolder()];
    const [own, other] = await Promise.all([createAgeKeyPair(), createAgeKeyPair()]);
    await exportTo(layout, file, { recipients: [own.recipient, other.recipient] });
    writeFileSync(join(folder, "key"), identityFileText(other), { mode: 0o600 });
    const shell = `set -o pipefail; '${ageTool("age")}' --decrypt -i key '${file}' | tar x`;
    await execa("bash", ["--norc", "-c", shell], { cwd: folder });
    expect(filesOf(layoutOf(folder))).toEqual(filesOf(layout));
    expect((await verifyVault(layout, file, { identity: own.identity })).changed).toEqual([]);
  });

  it("says what has changed since", { timeout: 60_000 }, async () => {
    const [layout, file] = [full(), vaultIn()];
    await exportTo(layout, file, { passphrase });
    writeFileSync(layout.passphrase, "another\n");
    rmSync(join(layout.dir, "secrets/hosts/web-1.agekey"));
    writeFileSync(layout.knownHosts, "new\n");
    const { changed } = await verifyVault(layout, file, { passphrase });
    expect(changed).toEqual(["known_hosts", "passphrase", "secrets/hosts/web-1.agekey"]);
    expect(lastExport(layout)).toMatchObject({ isCurrent: false, hasKeys: false });
  });

  it.each([
    ["another passphrase", async () => ({ passphrase: "correct horse battery stapler" })],
    ["another identity", async () => ({ identity: (await createAgeKeyPair()).identity })],
  ])("is not opened by %s", { timeout: 60_000 }, async (_what, openedWith) => {
    const [layout, file, there] = [full(), vaultIn(), clone()];
    await exportTo(layout, file, { passphrase });
    const opening = importVault({ layout: there, environment, file }, await openedWith());
    await expect(opening).rejects.toThrow(/is not opened by this (passphrase|identity)\. Use the one/);
    expect(existsSync(there.dir)).toBe(false);
  });
});

describe("nothing is exported", () => {
  const { recipient } = { recipient: "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" };
  it.each<[string, (layout: Layout, file: string) => Promise<unknown>, string]>([
    [
      "with a short passphrase",
      (layout, file) => exportTo(layout, file, { passphrase: "elevenchars" }),
      "has 11 characters; allowed: at least 12",
    ],
    [
      "to nobody",
      (layout, file) => exportTo(layout, file, { recipients: [] }),
      "--to: is empty; allowed: age recipients",
    ],
    [
      "to an identity",
      (layout, file) => exportTo(layout, file, { recipients: [`AGE-SECRET-KEY-1${"Q".repeat(58)}`] }),
      'not shown)"; allowed: age recipients',
    ],
    [
      "into .clawdlets",
      (layout) => exportTo(layout, join(layout.dir, "x.vault"), { recipients: [recipient] }),
      "is inside .clawdlets",
    ],
    [
      "into .clawdlets, to a name that begins like a parent folder",
      (layout) => exportTo(layout, join(layout.dir, "..vault"), { recipients: [recipient] }),
      "is inside .clawdlets",
    ],
    [
      "over a file",
      (layout, file) => (writeFileSync(file, "mine"), exportTo(layout, file, { recipients: [recipient] })),
      "already exists. Pass --force",
    ],
    [
      "into a folder that is not there",
      (layout, file) => exportTo(layout, join(file, "x"), { recipients: [recipient] }),
      "this folder does not exist",
    ],
    [
      "below a file",
      (layout, file) => (
        writeFileSync(`${file}.txt`, ""), exportTo(layout, join(`${file}.txt`, "x"), { recipients: [recipient] })
      ),
      "hosts.vault.txt: this folder does not exist",
    ],
    [
      "of more than an import takes",
      (layout, file) => (
        writeFileSync(join(layout.dir, "hosts/web-1/logs/big.log"), "", { mode: 0o600 }),
        truncateSync(join(layout.dir, "hosts/web-1/logs/big.log"), 512 * 1024 * 1024),
        exportTo(layout, file, { recipients: [recipient] })
      ),
      ".clawdlets/hosts/web-1/logs/big.log: has 512 MiB, the most of all files there. A vault may hold",
    ],
    [
      "where a link is",
      (layout, file) => (symlinkSync("/etc/hostname", file), exportTo(layout, file, { recipients: [recipient] }, true)),
      "is not a plain file",
    ],
    [
      "of a project with a link in it",
      (layout, file) => (
        symlinkSync("/etc/hostname", join(layout.dir, "known_hosts")),
        exportTo(layout, file, { recipients: [recipient] })
      ),
      ".clawdlets/known_hosts: is a link or a special file",
    ],
    [
      "while an engine works",
      (layout, file) => {
        mkdirSync(join(layout.state, ".pulumi/locks/organization/clawdlets/web-1"), { recursive: true });
        writeFileSync(join(layout.state, ".pulumi/locks/organization/clawdlets/web-1/x.json"), "{}");
        return exportTo(layout, file, { recipients: [recipient] });
      },
      "the state: an engine is using it",
    ],
  ])("%s", async (_what, attempt, message) => {
    const [layout, file] = [full(), vaultIn()];
    await expect(attempt(layout, file)).rejects.toThrow(message);
    expect(existsSync(file) && readFileSync(file).subarray(0, 3).toString()).not.toBe("age");
    expect(existsSync(join(layout.dir, "vault.json"))).toBe(false);
  });
});

describe("nothing is imported", () => {
  it("over keys that are there", async () => {
    const [layout, file] = [full(), vaultIn()];
    const own = await createAgeKeyPair();
    await exportTo(layout, file, { recipients: [own.recipient] });
    const before = filesOf(layout);
    await expect(importVault({ layout, environment, file }, { identity: own.identity })).rejects.toThrow(
      "Import into a fresh clone, or move it away first",
    );
    expect(filesOf(layout)).toEqual(before);
  });

  it("where git would add it", async () => {
    const [layout, file, there] = [full(), vaultIn(), clone()];
    const own = await createAgeKeyPair();
    await exportTo(layout, file, { recipients: [own.recipient] });
    await execa("git", ["init", "--quiet"], { cwd: there.root });
    await expect(importVault({ layout: there, environment, file }, { identity: own.identity })).rejects.toThrow(
      "git does not ignore it",
    );
    expect(readdirSync(there.dir)).toEqual([]);
  });

  const sum = "0".repeat(64);
  const entry = (name: string, text: string, type: "file" | "symlink" = "file") => ({
    header: {
      name,
      size: type === "file" ? text.length : 0,
      mode: 0o600,
      type,
      ...(type === "symlink" && { linkname: text }),
    },
    ...(type === "file" && { body: text }),
  });
  const list = (files: Record<string, string>) =>
    entry(
      "clawdlets-vault.json",
      JSON.stringify({ schemaVersion: 1, at: "2026-11-27T00:00:00.000Z", hosts: [], files }),
    );

  it.each([
    ["without a list", [entry(".clawdlets/passphrase", "x")], "does not begin with its list of files"],
    [
      "with a path that leads out",
      [list({ "../x": sum }), entry(".clawdlets/../x", "x")],
      "does not begin with its list",
    ],
    ["with an absolute path", [list({ "/etc/x": sum })], "does not begin with its list"],
    [
      "with a file that is not listed",
      [list({}), entry(".clawdlets/passphrase", "x")],
      "has .clawdlets/passphrase, which is not as listed",
    ],
    ["with other content", [list({ passphrase: sum }), entry(".clawdlets/passphrase", "x")], "which is not as listed"],
    [
      "with a link",
      [list({ passphrase: sum }), entry(".clawdlets/passphrase", "/etc/passwd", "symlink")],
      "which is not as listed",
    ],
    ["that lacks a file", [list({ passphrase: sum })], "lacks passphrase"],
  ])("from an archive %s", async (_what, entries, message) => {
    const own = await createAgeKeyPair();
    const encrypter = new Encrypter();
    encrypter.addRecipient(own.recipient);
    const [file, there] = [vaultIn(), clone()];
    writeFileSync(file, await encrypter.encrypt(await packTar(entries)));
    await expect(importVault({ layout: there, environment, file }, { identity: own.identity })).rejects.toThrow(
      message,
    );
    expect(existsSync(there.dir)).toBe(false);
  });

  it("from random bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
        await expect(unpack(bytes)).rejects.toThrow(/^the vault: /);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [
      "a file larger than any vault",
      (file: string) => truncateSync(file, 3 * 2 ** 30),
      "has 3072 MiB; allowed: at most",
    ],
    ["a path below a file", (file: string) => join(file, "x"), "there is no such file"],
  ])("from %s", async (_what, disturb, message) => {
    const [file, there] = [vaultIn(), clone()];
    writeFileSync(file, "age-encryption.org/v1\n");
    const from = disturb(file) ?? file;
    const { identity } = await createAgeKeyPair();
    await expect(importVault({ layout: there, environment, file: from }, { identity })).rejects.toThrow(message);
    expect(existsSync(there.dir)).toBe(false);
  });

  it("over another import that was started at the same time", async () => {
    const there = clone();
    const own = await createAgeKeyPair();
    const vaults = [full(), full()].map((layout, index) => {
      writeFileSync(join(layout.dir, "passphrase"), `canary-${index}\n`, { mode: 0o600 });
      return { layout, file: vaultIn() };
    });
    for (const { layout, file } of vaults) await exportTo(layout, file, { recipients: [own.recipient] });
    const imports = vaults.map(({ file }) => importVault({ layout: there, environment, file }, own));
    const ends = await Promise.allSettled(imports);
    expect(ends.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(String(ends.find((end) => end.status === "rejected")?.reason)).toContain("already has");
    const winner = vaults[ends.findIndex(({ status }) => status === "fulfilled")];
    if (winner) expect(filesOf(there)).toEqual(filesOf(winner.layout));
  });

  it.each([
    ["a file that age did not encrypt", "canary-plain", "is not encrypted with age"],
    ["a file that is cut off", "age-encryption.org/v1\n-> X25519", "is not opened by this identity"],
  ])("from %s", async (_what, text, message) => {
    const [file, there] = [vaultIn(), clone()];
    writeFileSync(file, text);
    const { identity } = await createAgeKeyPair();
    await expect(importVault({ layout: there, environment, file }, { identity })).rejects.toThrow(message);
    expect(existsSync(there.dir)).toBe(false);
  });
});

it("what can be made again does not make an export outdated", { timeout: 60_000 }, async () => {
  const [layout, file] = [full(), vaultIn()];
  await exportTo(layout, file, { passphrase });
  writeFileSync(join(layout.dir, "state/.pulumi/stacks/clawdlets/web-1.json"), "{}");
  expect(lastExport(layout)).toMatchObject({ isCurrent: false, hasKeys: true });
  writeFileSync(join(layout.dir, "secrets/hosts/web-1/discord_token_maren.yaml"), "another");
  expect(lastExport(layout)).toMatchObject({ isCurrent: false, hasKeys: false });
});

it("an import that is cut off at any step is completed by the next one", { timeout: 120_000 }, async () => {
  const [layout, file] = [full(), vaultIn()];
  const own = await createAgeKeyPair();
  await exportTo(layout, file, { recipients: [own.recipient] });
  for (let stopAt = 1, isDone = false; !isDone; stopAt++) {
    const there = clone();
    const request = { layout: there, environment, file };
    let step = 0;
    observeWrites((what) => {
      // A lock that is left inside this process, which lives on, would never be free again. The copy of the keys is elsewhere.
      if (/\/init\./.test(what) || !what.includes(there.dir)) return;
      if (++step === stopAt) throw new Error("cut off");
    });
    isDone = await importVault(request, { identity: own.identity }).then(
      () => true,
      (error: unknown) => {
        expect(String(error)).toContain("cut off");
        return false;
      },
    );
    observeWrites(undefined);
    const isFinished = isDone || existsSync(join(there.dir, "vault.json"));
    if (!isDone && !(isFinished && !existsSync(join(there.dir, "import.unfinished")))) {
      await importVault(request, { identity: own.identity });
    }
    expect(filesOf(there), String(stopAt)).toEqual(filesOf(layout));
  }
});
