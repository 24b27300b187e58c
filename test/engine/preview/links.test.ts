import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { bundleProgram } from "../../../engine/preview/bundle.ts";
import { copyTree } from "../../../engine/preview/tree.ts";
import { Clone } from "./_clone.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-links-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newClone = () => new Clone(join(mkdtempSync(join(folder, "clone-")), "clone"));
const newCopy = () => join(mkdtempSync(join(folder, "copy-")), "head");

describe("a link is refused by its name and target, and nothing is written through it", () => {
  test.each(["Pulumi.yaml", "package.json", "stacks", "clawdlets-policy.json"])("%s", async (name) => {
    const clone = newClone();
    const outside = join(clone.root, "..", "outside");
    if (existsSync(join(clone.root, name))) renameSync(join(clone.root, name), outside);
    else writeFileSync(outside, "{}");
    symlinkSync(outside, join(clone.root, name));
    await clone.commit("a link");
    const before = name === "stacks" ? "" : readFileSync(outside, "utf8");
    await expect(copyTree(clone.root, newCopy())).rejects.toThrow(`a link for ${name}, to ${outside}`);
    if (name !== "stacks") expect(readFileSync(outside, "utf8")).toBe(before);
  });

  test.each(["Pulumi.yaml", "stacks"])("%s, leading to nothing", async (name) => {
    const clone = newClone();
    rmSync(join(clone.root, name), { recursive: true });
    symlinkSync("nowhere", join(clone.root, name));
    await clone.commit("a link");
    await expect(copyTree(clone.root, newCopy())).rejects.toThrow(`a link for ${name}, to nowhere`);
  });

  test("where our bundle goes, a link is replaced and its target left alone", async () => {
    const clone = newClone();
    const outside = join(clone.root, "..", "outside");
    writeFileSync(outside, "theirs");
    symlinkSync(outside, join(clone.root, ".clawdlets-preview.mjs"));
    await clone.commit("a link");
    const copy = newCopy();
    await copyTree(clone.root, copy);
    await bundleProgram(copy);
    expect(readFileSync(outside, "utf8")).toBe("theirs");
    expect(readFileSync(join(copy, ".clawdlets-preview.mjs"), "utf8")).toContain("createRequire");
  });
});

test("a base without Pulumi.yaml, and a dangling one, end with a sentence and no stack", async () => {
  const clone = newClone();
  await clone.host("web-1");
  const manifest = readFileSync(join(clone.root, "Pulumi.yaml"), "utf8");
  rmSync(join(clone.root, "Pulumi.yaml"));
  await clone.commit("nothing to preview");
  writeFileSync(join(clone.root, "Pulumi.yaml"), manifest);
  await clone.commit("a program");
  const older = await clone.preview(["--all", "--base", "HEAD~1"]);
  expect(older.stderr).toContain("--base HEAD~1 has no file Pulumi.yaml");
  expect(older.exitCode).toBe(exitCodes.settings);
  mkdirSync(join(clone.root, "below"));
  rmSync(join(clone.root, "Pulumi.yaml"));
  symlinkSync("nowhere", join(clone.root, "Pulumi.yaml"));
  const { stderr, exitCode } = await clone.preview(["--all"]);
  expect(stderr).toMatch(/Pulumi\.yaml/);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect([exitCodes.settings, exitCodes.usage]).toContain(exitCode);
}, 120_000);
