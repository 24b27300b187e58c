import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { checkVersions, notesOf } from "../../scripts/release-notes.ts";
import { repository } from "../_repository.ts";

const changelog =
  "# Changelog\n\n## Unreleased\n\n- soon\n\n## 1.2.3 (2026-11-25)\n\n### Added\n\n- this\n\n## 1.2.2\n\n- that\n";

test("a release has its own section of the changelog, and no other", () => {
  expect(notesOf(changelog, "v1.2.3")).toBe("### Added\n\n- this\n");
  expect(notesOf(changelog, "v1.2.2")).toBe("- that\n");
});

test.each([
  ["v1.2.4", 'has no section "## 1.2.4"'],
  ["v1.2", '"v1.2" is not a version'],
  ["Unreleased", "is not a version"],
  ["", "is not a version"],
])("refuses %j", (tag, message) => expect(() => notesOf(changelog, tag)).toThrow(message));

describe("the tag and the version that npm would publish", () => {
  const lock = (version: string, own = version) => JSON.stringify({ version, packages: { "": { version: own } } });
  const manifests = (version: string, locked = lock(version)) => ({
    "package.json": JSON.stringify({ version }),
    "package-lock.json": locked,
  });

  test("are the same", () => expect(() => checkVersions(manifests("1.2.3"), "v1.2.3")).not.toThrow());

  test.each([
    ["another version", manifests("1.2.2"), "v1.2.3", "package.json has version 1.2.2"],
    ["a tag without v", manifests("1.2.3"), "1.2.3", "The tag is 1.2.3"],
    ["a lockfile left behind", manifests("1.2.3", lock("1.2.2")), "v1.2.3", "package-lock.json has version 1.2.2"],
    [
      "a lockfile half left behind",
      manifests("1.2.3", lock("1.2.3", "1.2.2")),
      "v1.2.3",
      "package-lock.json has version 1.2.2",
    ],
    ["no version", { "package.json": "{}" }, "v1.2.3", "package.json has version undefined"],
  ])("or nothing is released: %s", (_, given, tag, message) => {
    expect(() => checkVersions(given, tag)).toThrow(message);
  });

  test("are compared before anything is packed", async () => {
    const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
    const run = (tag: string) =>
      execa("npx", ["--no-install", "tsx", "scripts/release-notes.ts", tag], { cwd: repository, reject: false });
    expect((await run("v99.0.0")).stderr).toContain(`The tag is v99.0.0, but package.json has version ${version}`);
    const workflow = readFileSync(join(repository, ".github/workflows/release.yml"), "utf8");
    expect(workflow.indexOf('scripts/release-notes.ts "$TAG"')).toBeGreaterThan(0);
    expect(workflow.indexOf('scripts/release-notes.ts "$TAG"')).toBeLessThan(workflow.indexOf("npm pack"));
  });
});
