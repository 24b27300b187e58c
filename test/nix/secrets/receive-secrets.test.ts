import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { bothHosts } from "./_both-hosts.ts";
import { type Contents, line, refusal } from "./_receiving-host.ts";
import { encrypted, type Identity, newIdentity, sealed, sealedAsText, secretFiles, tarOf } from "./_sets.ts";

type Files = Record<string, Buffer>;

let present: Identity;
let next: Identity;
/** Encrypted only to the present identity. */
let alpha: Files;
let beta: Files;
/** Encrypted to the present and to the next. */
let both: Files;

beforeAll(async () => {
  [present, next] = await Promise.all([newIdentity(), newIdentity()]);
  [alpha, beta, both] = await Promise.all([
    secretFiles(["alpha"], present),
    secretFiles(["beta"], present),
    secretFiles(["alpha", "beta"], present, next),
  ]);
});

const RESTARTS = ["restart sops-install-secrets.service", "try-restart clawdlets-secrets.target"];

function answer(changed: boolean, identity: Identity, files: Files): string {
  const sorted = Object.keys(files).map((file) => file.replace(".yaml", ""));
  const sums = sorted.sort().map((name) => [name, sha256(files[`${name}.yaml`] ?? Buffer.alloc(0))]);
  return `${JSON.stringify({ ok: true, changed, recipient: identity.recipient, files: Object.fromEntries(sums) })}\n`;
}

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

/** The lines of the secrets' folder, as they are to be found in `.web-1.previous`. */
function asPrevious(before: Record<string, string>): Record<string, string> {
  const lines = Object.entries(before).filter(([path]) => /^hosts\/web-1(\/|$)/.test(path));
  return Object.fromEntries(lines.map(([path, text]) => [path.replace("hosts/web-1", "hosts/.web-1.previous"), text]));
}

test("who runs this is root, so that owners are seen", () => {
  const uid = process.getuid?.() ?? 0;
  const why = `this runs as uid ${uid}: that the script leaves files to root is only seen as root`;
  if (process.env["CI"]) expect(uid, why).toBe(0);
  else if (uid !== 0) console.warn(why);
});

describe.each(bothHosts)("%s", (_name, create, owner) => {
  const newHost = (secrets: Contents["secrets"] = alpha) => create({ secrets, key: present.text });
  /** What the host's folders should hold, after a set was put in place by it. */
  const placed = (files: Files, key: string, previous?: Record<string, string>): Record<string, string> => ({
    "hosts/web-1": line(0o755, owner, "folder"),
    ...Object.fromEntries(
      Object.entries(files).map(([name, content]) => [`hosts/web-1/${name}`, line(0o400, owner, content)]),
    ),
    "sops-nix/key.txt": line(0o400, owner, Buffer.from(key)),
    ...previous,
  });

  test("puts the first set in place, and says which files it now has", async () => {
    const host = await newHost(null);
    const files = { ...alpha, ...beta };
    const first = { status: 0, stdout: answer(true, present, files), stderr: "" };
    expect(await host.send(await tarOf(files))).toEqual(first);
    expect(await host.files()).toEqual(placed(files, present.text));
    expect(await host.units()).toEqual(RESTARTS);
  });

  test("changes nothing for the set that is there, and leaves systemd alone", async () => {
    const host = await newHost();
    const before = await host.files();
    expect(await host.send(await tarOf(alpha))).toMatchObject({ status: 0, stdout: answer(false, present, alpha) });
    expect([await host.files(), await host.units()]).toEqual([before, []]);
  });

  test("takes the set for the whole, and keeps the one before, and no older one", async () => {
    const host = await newHost();
    for (const files of [beta, both, { ...alpha, ...beta }]) {
      const before = await host.files();
      expect(await host.send(await tarOf(files))).toMatchObject({ status: 0, stdout: answer(true, present, files) });
      expect(await host.files()).toEqual(placed(files, present.text, asPrevious(before)));
    }
    expect(await host.units()).toEqual([...RESTARTS, ...RESTARTS, ...RESTARTS]);
  });

  test("names its files by what they are called, in this order, whatever YAML makes of the words", async () => {
    const names = ["on", "null", "a", "a-b", "a_b", "a1", `z${"9".repeat(62)}`];
    const files = await secretFiles(names, present);
    const host = await newHost();
    expect(await host.send(await tarOf(files))).toMatchObject({ status: 0, stdout: answer(true, present, files) });
  });

  test("accepts values that are not text, and comments", async () => {
    const lines = { number: "number: 42", float: "float: 1.5", switch: "# why\nswitch: true" };
    const made = Object.entries(lines).map(async ([name, yaml]) => [`${name}.yaml`, await encrypted(yaml, present)]);
    const files = Object.fromEntries(await Promise.all(made));
    expect(await (await newHost()).send(await tarOf(files))).toMatchObject({ status: 0, stderr: "" });
  });

  test("takes a secret of many lines, and a file of 256 KiB to the byte", async () => {
    const text = await encrypted(`alpha: |\n  ${"x".repeat(100_000)}\n  y\n`, present);
    const files = { "alpha.yaml": Buffer.concat([text, Buffer.alloc(256 * 1024 - text.length, "\n")]) };
    expect(await (await newHost()).send(await tarOf(files))).toMatchObject({ status: 0 });
  });

  test("changes the identity with files that open with both, and then takes some for the new one", async () => {
    const host = await newHost();
    const before = await host.files();
    const rotation = await tarOf({ ...both, "identity.age": await sealed(next.text, present) });
    const rotated = { status: 0, stdout: answer(true, next, both), stderr: "" };
    expect(await host.send(rotation)).toEqual(rotated);
    expect(await host.files()).toEqual(placed(both, next.text, asPrevious(before)));
    const files = await secretFiles(["alpha"], next);
    expect(await host.send(await tarOf(files))).toMatchObject({ status: 0, stdout: answer(true, next, files) });
    expect(await host.send(await tarOf(alpha))).toEqual(
      refusal("alpha.yaml: does not decrypt with the host's current identity"),
    );
  });

  test("takes a rotation again whose answer was lost, if the identity too is encrypted to both", async () => {
    const host = await newHost();
    const rotation = { ...both, "identity.age": await sealedAsText(next.text, present, next) };
    for (let run = 0; run < 2; run += 1) {
      expect(await host.send(await tarOf(rotation))).toMatchObject({ status: 0, stdout: answer(true, next, both) });
    }
    const onlyOld = await tarOf({ ...both, "identity.age": await sealed(next.text, present) });
    expect(await host.send(onlyOld)).toEqual(
      refusal("identity.age: does not decrypt with the host's current identity"),
    );
  });

  test("clears what a killed run has left", async () => {
    const host = await newHost();
    const before = await host.files();
    for (const path of ["hosts/.web-1.new/files/gamma.yaml", "hosts/.web-1.new/tar", "sops-nix/key.txt.new"]) {
      await host.plant(path, "left");
    }
    expect(await host.send(await tarOf(alpha))).toMatchObject({ status: 0, stdout: answer(false, present, alpha) });
    expect(await host.files()).toEqual(before);
  });

  test.each([
    ["restart sops-install-secrets.service", 0],
    ["try-restart clawdlets-secrets.target", 1],
  ])("says that the files are installed where %s fails, and tells systemd the next time", async (action, told) => {
    const host = await newHost();
    host.failUnit(action.split(" ")[1] ?? "");
    const tar = await tarOf({ ...both, "identity.age": await sealed(next.text, present, next) });
    const { status, stdout, stderr } = await host.send(tar);
    const why = `the files and the new identity are installed, but systemctl ${action} failed`;
    expect([status, stdout, stderr.trim().split("\n").at(-1)]).toEqual([2, "", `clawdlets-receive-secrets: ${why}`]);
    expect(await host.keyText()).toBe(next.text);
    host.failUnit(null);
    const already = (await host.units()).length;
    expect(already).toBeLessThanOrEqual(told);
    for (const changed of [true, false]) {
      expect(await host.send(await tarOf(both))).toMatchObject({ status: 0, stdout: answer(changed, next, both) });
    }
    expect((await host.units()).slice(already)).toEqual(RESTARTS);
  });

  test("gives two at once their turns", async () => {
    const host = await newHost();
    const answers = await Promise.all([host.send(await tarOf(beta)), host.send(await tarOf(both))]);
    expect(answers).toMatchObject([
      { status: 0, stdout: answer(true, present, beta) },
      { status: 0, stdout: answer(true, present, both) },
    ]);
    const held = Object.keys(await host.files()).filter((path) => path.startsWith("hosts/web-1/")).length;
    expect([1, 2]).toContain(held);
  });
});
