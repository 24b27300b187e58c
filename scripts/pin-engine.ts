/**
 * `npm run pin:engine -- 3.276.0`: moves the engine to another version of Pulumi, in every file that names it. Refuses before it
 * changes anything where the library, the CLI's source or the SDK of that version cannot be had. `--dry-run` stops after the checks.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { gt } from "semver";
import { trimSums } from "./_build/go-sums.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));

/**
 * The Go modules that are built from Pulumi's, and what each takes in the engine's version. Pulumi's bridge is released less often than
 * the engine, and only compiles with the `pkg` that it was made for, or one soon after.
 */
export const goModules: Readonly<Record<string, readonly string[]>> = {
  toolchain: ["github.com/pulumi/pulumi/pkg/v3", "github.com/pulumi/pulumi/sdk/v3"],
  "toolchain/bridge": ["github.com/pulumi/pulumi/sdk/v3"],
};

/** Each module that the go.mod of a folder requires, with its version. */
export function requiredBy(folder: string): Record<string, string> {
  const lines = readFileSync(join(repository, folder, "go.mod"), "utf8").matchAll(/^\t(\S+) (v\S+)/gm);
  return Object.fromEntries([...lines].map(({ 1: module = "", 2: version = "" }) => [module, version]));
}

/** Every place outside go.mod that states the version, as text before and after it. Each is there exactly once. */
export const pinnedIn: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "toolchain/pins.ts": [['  pulumi: "', '",\n']],
  "components/internal/requirements.ts": [['pulumi: "', '" };']],
  "docs/compose.md": [["`@pulumi/pulumi` ", " or\nlater"]],
  "package.json": [
    ['"@pulumi/pulumi": "', '",\n'],
    ['"@pulumi/pulumi": "^', '"\n'],
  ],
  ...Object.fromEntries(
    [
      "github-actions",
      "one-host",
      "own-server",
      "plain-javascript",
      "s3-state",
      "two-hosts",
      "yaml-hosts",
      "yaml-program",
    ].map((name) => [`examples/${name}/package.json`, [['"@pulumi/pulumi": "', '"']] as const]),
  ),
};

/** The version that a file states at each of its places. @throws Error where a place is missing or there twice */
export function versionsIn(file: string, text: string): string[] {
  return (pinnedIn[file] ?? []).map(([before, after]) => {
    const found = [...text.matchAll(placePattern(before, after))].map(({ 1: version = "" }) => version);
    if (found.length !== 1) throw new Error(`${file}: expected ${before}X.Y.Z once, found it ${found.length} times.`);
    return found[0] ?? "";
  });
}

/** The file with another version at each of its places. The digests of the former version's downloads go with it. */
export function withVersion(file: string, text: string, version: string): string {
  versionsIn(file, text);
  const pinned = (pinnedIn[file] ?? []).reduce(
    (edited, [before, after]) => edited.replace(placePattern(before, after), `${before}${version}${after}`),
    text,
  );
  return file === "toolchain/pins.ts" ? pinned.replace(/^( {2}pulumi: )\{\n[^}]*\}/m, "$1{}") : pinned;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const placePattern = (before: string, after: string) =>
  new RegExp(`${escaped(before)}(\\d+\\.\\d+\\.\\d+)${escaped(after)}`, "g");

/** What of a version cannot be had, a sentence each. */
async function missing(version: string): Promise<string[]> {
  const npm = await execa("npm", ["view", `@pulumi/pulumi@${version}`, "version"], { reject: false });
  const go = ["pkg", "sdk"].map(async (name) => {
    const module = `github.com/pulumi/pulumi/${name}/v3@v${version}`;
    const { exitCode } = await execa("go", ["mod", "download", module], {
      cwd: join(repository, "toolchain"),
      reject: false,
    });
    return exitCode === 0 ? [] : [`Go's module proxy does not serve ${module}.`];
  });
  const library = npm.stdout.trim() === version ? [] : [`npm has no @pulumi/pulumi ${version}.`];
  return [...library, ...(await Promise.all(go)).flat()];
}

/** What the CLI has in a newer version, Pulumi's own modules aside: Go then compiles it once for both. */
function newerThanIn(folder: string): string[] {
  const required = requiredBy(folder);
  return Object.entries(requiredBy("toolchain"))
    .filter(([module, version]) => !module.startsWith("github.com/pulumi/") && gt(version, required[module] ?? version))
    .map(([module, version]) => `${module}@${version}`);
}

async function main(version: string | undefined, isDryRun: boolean): Promise<number> {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
    say(`"${version ?? ""}" is not a version. Example: npm run pin:engine -- 3.276.0 --dry-run`);
    return 2;
  }
  const edited = Object.keys(pinnedIn).map((file) => {
    const text = readFileSync(join(repository, file), "utf8");
    return { file, text, pinned: withVersion(file, text, version) };
  });
  const reasons = await missing(version);
  if (reasons.length > 0) {
    for (const reason of reasons) say(reason);
    say("Nothing was changed. Choose another version.");
    return 1;
  }
  for (const { file, text, pinned } of edited) {
    if (text === pinned) continue;
    say(`${isDryRun ? "would change" : "changing"} ${file}`);
    if (!isDryRun) writeFileSync(join(repository, file), pinned);
  }
  if (isDryRun) return 0;
  for (const [folder, modules] of Object.entries(goModules)) {
    say(`updating ${folder}/go.mod`);
    const options = { cwd: join(repository, folder), stdio: "inherit" } as const;
    const wanted = [...modules.map((module) => `${module}@v${version}`), ...newerThanIn(folder)];
    await execa("go", ["get", ...wanted], options);
    await execa("go", ["mod", "tidy"], options);
    await trimSums(folder);
  }
  await execa("npm", ["install", "--ignore-scripts"], { cwd: repository, stdio: "inherit" });
  say(`Pinned to ${version}. Add the digests of its official downloads to toolchain/pins.ts, from another place than the server
that has them, then run: npm run toolchain && npm test`);
  return 0;
}

const [, script, version, option] = process.argv;
if (script === fileURLToPath(import.meta.url)) process.exitCode = await main(version, option === "--dry-run");
