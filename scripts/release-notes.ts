/** `node --import ./bin/typescript.mjs scripts/release-notes.ts v1.2.3`: the changelog's section of a version. No section, no release. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export function notesOf(changelog: string, tag: string): string {
  const version = tag.replace(/^v/, "");
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) throw new Error(`"${tag}" is no version; allowed: v1.2.3`);
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split("\n")[0]?.split(" ")[0] === version);
  const body = section?.split("\n").slice(1).join("\n").trim();
  if (!body) throw new Error(`CHANGELOG.md has no section "## ${version}": rename "## Unreleased" first.`);
  return `${body}\n`;
}

const [, script, tag] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  const changelog = readFileSync(new URL("../CHANGELOG.md", import.meta.url), "utf8");
  process.stdout.write(notesOf(changelog, tag ?? ""));
}
