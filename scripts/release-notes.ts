/**
 * `node --import ./bin/typescript.mjs scripts/release-notes.ts v1.2.3`: prints the changelog's section of a version. Fails without a
 * section, or if the tag is not package.json's version.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export function notesOf(changelog: string, tag: string): string {
  const version = tag.replace(/^v/, "");
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) throw new Error(`"${tag}" is not a version; expected e.g. v1.2.3`);
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split("\n")[0]?.split(" ")[0] === version);
  const body = section?.split("\n").slice(1).join("\n").trim();
  if (!body) throw new Error(`CHANGELOG.md has no section "## ${version}": rename "## Unreleased" first.`);
  return `${body}\n`;
}

/** npm publishes the version in the manifest, not the tag. @param manifests texts by file name */
export function checkVersions(manifests: Readonly<Record<string, string>>, tag: string): void {
  for (const [file, text] of Object.entries(manifests)) {
    const { version, packages }: { version?: unknown; packages?: { ""?: { version?: unknown } } } = JSON.parse(text);
    for (const found of packages ? [version, packages[""]?.version] : [version]) {
      if (`v${found}` === tag) continue;
      throw new Error(
        `The tag is ${tag}, but ${file} has version ${found}. Set it (npm version ${tag.replace(/^v/, "")} --no-git-tag-version), commit, and tag that commit.`,
      );
    }
  }
}

const [, script, tag] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  const textOf = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
  checkVersions(
    { "package.json": textOf("package.json"), "package-lock.json": textOf("package-lock.json") },
    tag ?? "",
  );
  const changelog = textOf("CHANGELOG.md");
  process.stdout.write(notesOf(changelog, tag ?? ""));
}
