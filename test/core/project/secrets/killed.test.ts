import { cpSync, existsSync, mkdtempSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import pMap from "p-map";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkLocalFolder } from "../../../../core/project/hygiene.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import { readIdentityFile } from "../../../../core/project/secrets/keys/age.ts";
import { nextIdentityFile, readRotation } from "../../../../core/project/secrets/rotation.ts";
import { readSecret, secretNames } from "../../../../core/project/secrets/store.ts";
import { bundle } from "../../../_bundle.ts";
import {
  filesIn,
  initHost,
  LabHost,
  makeProject,
  openHost,
  passwordHash,
  problemsOf,
  rotateHost,
  valuesFor,
} from "./_lab.ts";

/**
 * The real writer, killed by SIGKILL right before each of its steps in turn: writes, renames, removals, and the moment between
 * a new file's creation and its content.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-killed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const host = "web-1";
const bots = ["maren"];
let writer: string;
beforeAll(async () => {
  writer = await bundle(join(import.meta.dirname, "_killed.ts"), folder);
});

/** @returns what it was about to do, or undefined when it came to its end before step n */
async function killedAt(
  n: number,
  root: string,
  what: "init" | "rotate",
  hostFolder = "",
): Promise<string | undefined> {
  const args = [writer, root, host, what, hostFolder, String(n)];
  const { signal, exitCode, stdout, stderr } = await execa(process.execPath, args, { reject: false });
  expect(signal === "SIGKILL" || exitCode === 0, stderr).toBe(true);
  // The lock of a killed process counts as abandoned after ten seconds; these are over here.
  const lock = join(root, ".clawdlets", "init.lock");
  if (existsSync(lock)) utimesSync(lock, new Date(0), new Date(0));
  return signal === "SIGKILL" ? stdout : undefined;
}

/** Tries every step until the work comes to its end; two at a time. @returns how many there were */
async function atEveryStep(check: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 1; ; n += 2) {
    const [first, second] = await pMap([n, n + 1], check);
    if (first === false) return n - 1;
    if (second === false) return n;
  }
}

function plaintextIn(root: string, values: Record<string, string>): string[] {
  const found = [...filesIn(root)].filter(([, text]) => Object.values(values).some((value) => text.includes(value)));
  return found.map(([path]) => path);
}

describe("killed at every step of secrets init", () => {
  it("leaves no plaintext, and the next run completes with the identities that were there", async () => {
    const steps = await atEveryStep(async (n) => {
      const layout = makeProject(join(folder, `init-${n}`), [{ name: host, bots }]);
      const opened = openHost(layout, host);
      const values = valuesFor(opened, "first");
      const step = await killedAt(n, layout.root, "init");
      expect(plaintextIn(layout.root, values), step).toEqual([]);
      const { files, operatorFile } = opened.store;
      const identities = await Promise.all([files.identity, operatorFile].map((file) => readIdentityFile(file)));
      await initHost(layout, host, step === undefined ? {} : valuesFor(opened, "first"));
      expect(await problemsOf(layout, host), step).toEqual([]);
      expect(await checkLocalFolder(layout), step).toEqual([]);
      expect(plaintextIn(layout.root, values), step).toEqual([]);
      const after = await Promise.all([files.identity, operatorFile].map((file) => readIdentityFile(file)));
      for (const [index, identity] of identities.entries()) if (identity) expect(after[index]).toEqual(identity);
      const leftovers = [...filesIn(layout.root).keys()].filter((path) => /\.[0-9]{4,10}$|\.new(\.pub)?$/.test(path));
      expect(leftovers, step).toEqual([]);
      return step !== undefined;
    });
    expect(steps).toBeGreaterThan(30);
    process.stdout.write(`killed secrets init at ${steps} steps\n`);
  }, 600_000);
});

describe("killed at every step of secrets rotate", () => {
  const template = join(folder, "template");
  let values: Record<string, string>;
  beforeAll(async () => {
    const layout = makeProject(template, [{ name: host, bots }]);
    values = valuesFor(openHost(layout, host), "kept");
    await initHost(layout, host, values);
  });

  it("keeps everything readable here and on the host, loses no identity, and the next run completes", async () => {
    const old = await readIdentityFile(openHost(layoutOf(template), host).store.files.identity);
    const steps = await atEveryStep(async (n) => {
      const layout = layoutOf(join(folder, `rotate-${n}`));
      cpSync(template, layout.root, { recursive: true });
      const { store } = openHost(layout, host);
      const onHost = new LabHost(join(folder, `host-${n}`));
      const ciphertext = secretNames(store).map((name) => [
        name,
        filesIn(store.folder).get(join(store.folder, `${name}.yaml`)) ?? "",
      ]);
      onHost.state = { key: `${old?.identity}\n`, files: Object.fromEntries(ciphertext) };

      const step = await killedAt(n, layout.root, "rotate", join(folder, `host-${n}`));
      expect(await onHost.read(), step).toEqual(values);
      for (const [name, value] of Object.entries(values)) expect(await readSecret(store, name), step).toBe(value);
      expect(plaintextIn(layout.root, values), step).toEqual([]);
      const next = await readIdentityFile(nextIdentityFile(store));
      const begun = readRotation(store);
      if (begun?.step === "both") expect(next?.recipient, step).toBe(begun.to);

      const isDone =
        step === undefined || (!begun && (await readIdentityFile(store.files.identity))?.identity !== old?.identity);
      const result = isDone ? undefined : await rotateHost(layout, host, onHost.deliver);
      expect(await problemsOf(layout, host), step).toEqual([]);
      expect(await checkLocalFolder(layout), step).toEqual([]);
      expect(await onHost.read(), step).toEqual(values);
      const now = await readIdentityFile(store.files.identity);
      expect(onHost.state.key, step).toContain(now?.identity);
      expect(now?.identity).not.toBe(old?.identity);
      if (begun) expect(result?.to, step).toBe(begun.to);
      const everything = [...filesIn(layout.secrets).values()].join("\n");
      expect(everything, step).toContain(old?.identity);
      expect(everything, step).not.toContain(passwordHash);
      return step !== undefined;
    });
    expect(steps).toBeGreaterThan(30);
    process.stdout.write(`killed secrets rotate at ${steps} steps\n`);
  }, 600_000);
});
