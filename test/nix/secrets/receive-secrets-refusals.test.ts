import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { bothHosts } from "./_both-hosts.ts";
import { type ReceivingHost, refusal } from "./_receiving-host.ts";
import { encrypted, type Identity, newIdentity, sealed, secretFiles, tarOf, withTime, withValue } from "./_sets.ts";

let present: Identity;
let next: Identity;
let stranger: Identity;
/** Encrypted only to the present identity. */
let alpha: Record<string, Buffer>;
let beta: Record<string, Buffer>;
/** Encrypted to the present and to the next. */
let both: Record<string, Buffer>;

beforeAll(async () => {
  [present, next, stranger] = await Promise.all([newIdentity(), newIdentity(), newIdentity()]);
  [alpha, beta, both] = await Promise.all([
    secretFiles(["alpha"], present),
    secretFiles(["beta"], present),
    secretFiles(["alpha", "beta"], present, next),
  ]);
});

const unfit = (file: string) => `${file}.yaml: not a sops file with one key, "${file}", and an encrypted value`;
const closed = (file: string) => `${file}: does not decrypt with the host's current identity`;
const cut = "the tar is truncated: was the connection cut?";
const foreign = (file: string) =>
  `${file}: expected identity.age, or <name>.yaml with a name of ^[a-z][a-z0-9_-]{0,62}$`;
const edited = async (change: (text: string) => string) =>
  tarOf({ "alpha.yaml": Buffer.from(change(String(alpha["alpha.yaml"]))) });
const flipped = (text: string, at: RegExp) =>
  text.replace(at, (_all, head: string, first: string) => `${head}${first === "A" ? "B" : "A"}`);
const emptyFiles = (count: number) => tarOf(Array.from({ length: count }, (_, n) => [`a${n}.yaml`] as const));
const rotation = async (identity: Buffer | string, files = both) =>
  tarOf([...Object.entries(files), ["identity.age", identity]]);

async function cutBetweenFiles(): Promise<Buffer> {
  const tar = await tarOf(both);
  const content = Math.ceil((both["alpha.yaml"]?.length ?? 0) / 512) * 512;
  return tar.subarray(0, 512 + content);
}

const cutButEnded = async () => Buffer.concat([(await tarOf(both)).subarray(0, 1000), Buffer.alloc(1048)]);

/** Each part is as sops wrote it; only its checksum over the whole shows that they do not belong together. */
async function olderValue(): Promise<Buffer> {
  const older = alpha["alpha.yaml"] ?? Buffer.alloc(0);
  const newer = await withValue(older, "alpha", "newer", present);
  const value = /^alpha: .*/m;
  return tarOf([["alpha.yaml", String(newer).replace(value, value.exec(String(older))?.[0] ?? "")]]);
}

const outOfRange = "an entry whose owner, size or time is out of range";
const year10000 = 253_402_300_800n;

type Case = [fact: string, tar: () => Promise<Buffer>, why: string];

const cases: Case[] = [
  ["nothing at all", async () => Buffer.alloc(0), cut],
  ["input that is not a tar", async () => Buffer.from("x".repeat(4000)), cut],
  ["input that is not a tar but ends like one", async () => Buffer.alloc(4096, "x").fill(0, 2048), "not a tar"],
  ["a tar that is packed", async () => gzipSync(await tarOf(alpha)), cut],
  ["a tar cut in its first header", async () => (await tarOf(both)).subarray(0, 100), cut],
  ["a tar cut within a file", async () => (await tarOf(both)).subarray(0, 1000), cut],
  ["a tar cut between two files, which tar takes for whole", cutBetweenFiles, cut],
  ["a tar cut within a file, with an end put to it", async () => cutButEnded(), "not a tar"],
  ["a tar cut within its end", async () => tarOf(both).then((tar) => tar.subarray(0, -512)), cut],
  ["a tar without files", async () => Buffer.alloc(10_240), "no <name>.yaml in the tar"],
  ["an identity without files", async () => rotation("x", {}), "no <name>.yaml in the tar"],
  ["a folder", async () => tarOf([["a/", "", { type: "directory" }]]), "a/: not a regular file"],
  [
    "a symbolic link",
    async () => tarOf([["a.yaml", "", { type: "symlink", linkname: "/etc/shadow" }]]),
    "a.yaml -> /etc/shadow: not a regular file",
  ],
  [
    "a hard link",
    async () => tarOf([...Object.entries(alpha), ["b.yaml", "", { type: "link", linkname: "alpha.yaml" }]]),
    "b.yaml link to alpha.yaml: not a regular file",
  ],
  ["a device", async () => tarOf([["a.yaml", "", { type: "character-device" }]]), "a.yaml: not a regular file"],
  ["a pipe", async () => tarOf([["a.yaml", "", { type: "fifo" }]]), "a.yaml: not a regular file"],
  [
    "a file twice",
    async () => tarOf([...Object.entries(alpha), ...Object.entries(alpha)]),
    "alpha.yaml: twice in the tar",
  ],
  ...(
    [
      ["alpha.yaml", 2n ** 61n],
      ["Evil; alpha.yaml", 2n ** 61n],
      ["12:00 alpha.yaml", 2n ** 61n],
      ["alpha.yaml", -(2n ** 61n)],
      ["Evil; alpha.yaml", -(2n ** 61n)],
      ["alpha.yaml", year10000],
    ] as const
  ).map(
    ([file, seconds]): Case => [
      `${JSON.stringify(file)} with an invalid date, ${seconds}`,
      async () => withTime(await tarOf([[file, alpha["alpha.yaml"] ?? ""]]), seconds),
      outOfRange,
    ],
  ),
  ...["Evil; alpha.yaml", "12:00 alpha.yaml", "0 2026-01-01 00:00 alpha.yaml"].map(
    (file): Case => [
      `${JSON.stringify(file)}, of the last minute that is a date`,
      async () => withTime(await tarOf([[file, alpha["alpha.yaml"] ?? ""]]), year10000 - 86_400n),
      foreign(file),
    ],
  ),
  ["a byte over 256 KiB", async () => tarOf([["a.yaml", Buffer.alloc(262_145)]]), "a.yaml: larger than 256 KiB"],
  ["file 1001", async () => emptyFiles(1001), "more than 1000 files"],
  ["a bad file among 1000", async () => emptyFiles(1000), unfit("a0")],
  ["a secret in the clear", async () => tarOf([["alpha.yaml", "alpha: value\n"]]), unfit("alpha")],
  [
    "a secret in the clear beside sops' own lines",
    async () => edited((text) => text.replace(/ENC\S+/, "value")),
    unfit("alpha"),
  ],
  [
    "a key that sops leaves in the clear by its ending",
    async () => tarOf(await secretFiles(["a_unencrypted"], present)),
    unfit("a_unencrypted"),
  ],
  ["an empty secret", async () => tarOf({ "alpha.yaml": await encrypted('alpha: ""\n', present) }), unfit("alpha")],
  [
    "a key that is not the name",
    async () => tarOf({ "gamma.yaml": alpha["alpha.yaml"] ?? Buffer.alloc(0) }),
    unfit("gamma"),
  ],
  ["two secrets in a file", async () => tarOf({ "a.yaml": await encrypted("a: 1\nb: 2\n", present) }), unfit("a")],
  ["secrets within one", async () => tarOf({ "a.yaml": await encrypted("a: {b: 1}\n", present) }), unfit("a")],
  ["a file for others", async () => tarOf({ ...alpha, ...(await secretFiles(["b"], stranger)) }), closed("b.yaml")],
  ["a changed value", async () => edited((text) => flipped(text, /(data:)(.)/)), closed("alpha.yaml")],
  ["a changed tag", async () => edited((text) => flipped(text, /(tag:)(.)/)), closed("alpha.yaml")],
  [
    "a changed checksum",
    async () => edited((text) => flipped(text, /(mac: ENC\[AES256_GCM,data:)(.)/)),
    closed("alpha.yaml"),
  ],
  ["another date", async () => edited((text) => text.replace(/(lastmodified: ")\d/, "$13")), closed("alpha.yaml")],
  ["an older value of the same file, in the newer one", olderValue, closed("alpha.yaml")],
  [
    "a value under another key",
    async () => tarOf({ "gamma.yaml": Buffer.from(String(alpha["alpha.yaml"]).replace("alpha", "gamma")) }),
    closed("gamma.yaml"),
  ],
  ["an identity for others", async () => rotation(await sealed(next.text, stranger)), closed("identity.age")],
  ["an identity in the clear", async () => rotation(next.text), closed("identity.age")],
  ...["", "# nothing\n", "two", "AGE-SECRET-KEY-PQ-1ABC\n"].map(
    (text): Case => [
      `an identity file that holds ${JSON.stringify(text)}`,
      async () => rotation(await sealed(text === "two" ? next.text + present.text : text, present)),
      "identity.age: does not hold exactly one AGE-SECRET-KEY-1 line",
    ],
  ),
  [
    "a new identity that does not open every file",
    async () => rotation(await sealed(next.text, present), { ...both, ...beta }),
    "beta.yaml: does not decrypt with the new identity alone",
  ],
  [
    "a damaged new identity",
    async () => rotation(await sealed("AGE-SECRET-KEY-1QQQQ\n", present)),
    "alpha.yaml: does not decrypt with the new identity alone",
  ],
  ...["Alpha.yaml", "alpha.yml", "alpha", ".alpha.yaml", "-a.yaml", "1.yaml", "é.yaml", "a b.yaml", "alpha.yaml "].map(
    (file): Case => [
      `the name ${JSON.stringify(file)}`,
      async () => tarOf([[file, "x"]]),
      foreign(file.replace("é", "\\303\\251")),
    ],
  ),
  ...["../a.yaml", "/a.yaml", "a/b.yaml", "./a.yaml", "a\nb.yaml", `${"a".repeat(64)}.yaml`].map(
    (file): Case => [
      `the name ${JSON.stringify(file)}`,
      async () => tarOf([[file, "x"]]),
      foreign(file.replace("\n", "\\n")),
    ],
  ),
];

async function isRefused(host: ReceivingHost, tar: Buffer, why: string, ...args: string[]) {
  const before = await host.files();
  expect(await host.send(tar, ...args)).toEqual(refusal(why));
  expect([await host.files(), await host.units()]).toEqual([before, []]);
}

describe.each(bothHosts)("%s refuses, and changes nothing, for", (_name, create) => {
  const newHost = () => create({ secrets: { ...alpha, ...beta }, key: present.text });

  test.each(cases)("%s", async (_fact, tar, why) => {
    await isRefused(await newHost(), await tar(), why);
  });

  describe("another password of the admin", () => {
    const name = "admin_password_hash";
    const why = `${name}.yaml: the password differs or is missing. To allow this once, run as root at the console: touch /run/clawdlets-password-may-change`;
    const password = async (value: string) => ({ [`${name}.yaml`]: await encrypted(`${name}: ${value}\n`, present) });

    test("when it is sent, or left out", async () => {
      const host = await create({ secrets: { ...alpha, ...(await password("old")) }, key: present.text });
      await isRefused(host, await tarOf({ ...alpha, ...(await password("new")) }), why);
      await isRefused(host, await tarOf(alpha), why);
    });

    test("unless root at the console allows it, which is valid once", async () => {
      const host = await create({ secrets: await password("old"), key: present.text });
      await host.allowPassword();
      expect((await host.send(await tarOf(await password("new")))).status).toBe(0);
      expect(await host.send(await tarOf(await password("newer")))).toMatchObject({ status: 1 });
    });

    test("and accepts the same one, encrypted again", async () => {
      const host = await create({ secrets: await password("same"), key: present.text });
      expect(JSON.parse((await host.send(await tarOf(await password("same")))).stdout)).toMatchObject({
        changed: true,
      });
    });
  });

  test("an argument", async () => {
    await isRefused(await newHost(), await tarOf(beta), "it takes no arguments", "--help");
  });
});
