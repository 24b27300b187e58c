/**
 * `npm run api`: generates docs/api.md. `npm run api -- --against <revision>`: prints how the public API differs from that revision's,
 * and fails for a breaking change that CHANGELOG.md does not name.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { apiChanges, readApi, unnamed } from "./_build/api-changes.ts";
import { apiReference, projectRoot } from "./_build/api-reference.ts";

const report = join("docs", "api.md");
const [option, revision] = process.argv.slice(2);
if (option === undefined) writeFileSync(join(projectRoot, report), apiReference(projectRoot));
else if (option === "--against" && revision !== undefined && !revision.startsWith("-")) await compare(revision);
else {
  process.stderr.write("usage: npm run api [-- --against <git revision>]\n");
  process.exitCode = 2;
}

async function compare(against: string): Promise<void> {
  const { stdout: before } = await execa("git", ["show", `${against}:${report}`], { cwd: projectRoot });
  const changes = apiChanges(readApi(before), readApi(apiReference(projectRoot)));
  for (const { name, what, isBreaking } of changes)
    console.log(`${isBreaking ? "BREAKING" : "added   "} ${name} ${what}`);
  if (changes.length === 0) console.log(`the public API is that of ${against}`);
  const missing = unnamed(changes, readFileSync(join(projectRoot, "CHANGELOG.md"), "utf8"));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => `\`${name}\``).join(", ");
  process.stderr.write(
    `Breaking, and not named under "### Breaking" in CHANGELOG.md with what to type instead: ${names}\n`,
  );
  process.exitCode = 1;
}
