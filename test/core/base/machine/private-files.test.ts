import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  makeFolders,
  makePrivateFolder,
  readPrivateFile,
  readPublicFile,
} from "../../../../core/base/machine/private-files.ts";
import { temporaryFolder } from "../../../_project.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe("folders", () => {
  it("are made with those above them, all private", () => {
    const folder = temporaryFolder();
    makePrivateFolder(join(folder, "a/b/c"));
    expect(["a", "a/b", "a/b/c"].map((each) => modeOf(join(folder, each)))).toEqual([0o700, 0o700, 0o700]);
    makePrivateFolder(join(folder, "a/b/c"));
  });

  it("are narrowed when they exist, and those above are left alone", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a/b"), { recursive: true, mode: 0o755 });
    makePrivateFolder(join(folder, "a/b"));
    expect([modeOf(join(folder, "a")), modeOf(join(folder, "a/b"))]).toEqual([0o755, 0o700]);
  });

  it.each<[string, (folder: string) => string, string]>([
    ["below /proc, where Node's recursive mkdir never returns", () => "/proc/clawdlets-none/logs", "ENOENT"],
    ["below a device", () => "/dev/null/logs/today", "ENOTDIR"],
    ["where a file is in the way", (folder) => join(folder, "file/logs"), "ENOTDIR"],
    ["in place of a file", (folder) => join(folder, "file"), "EEXIST"],
    ["in place of a dangling link", (folder) => join(folder, "link"), "EEXIST"],
  ])("cannot be made %s", (_, path, code) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    expect(() => makeFolders(path(folder))).toThrow(expect.objectContaining({ code }));
  });
});

describe("a file that is far too large", () => {
  const mebibyte = 1024 * 1024;
  it.each([
    ["private", readPrivateFile],
    ["public", readPublicFile],
  ])("is refused before it is read as a %s one", (_kind, read) => {
    const file = join(temporaryFolder(), "large");
    writeFileSync(file, "", { mode: 0o600 });
    truncateSync(file, 256 * mebibyte + 1);
    expect(() => read(file)).toThrow(`${file} has 257 MiB; allowed: at most 256 MiB. Check that it is the right file.`);
    truncateSync(file, mebibyte);
    expect(read(file)).toHaveLength(mebibyte);
  });
});
