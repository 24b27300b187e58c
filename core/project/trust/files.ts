import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { readFolder } from "../../base/machine/private-files.ts";
import { parseOpenclaw } from "../bots/config.ts";
import { deriveEgress } from "../egress/derive.ts";
import { type Difference, spelled } from "./difference.ts";
import { changedInputs, changedPackages, valueDifference } from "./lock-files.ts";
import { changedNix } from "./nix-text.ts";
import { changedValues, valuesIn } from "./values.ts";

/** A file in one of two trees, with its content or the target of its link. */
interface Entry {
  kind: "file" | "link" | "other";
  executable: boolean;
  content: Buffer;
}

/** Installed packages, and git's own folder. */
const skipped = new Set(["node_modules", ".git"]);

/** Sorted paths, relative to the root, of the files that differ between two trees. Links are not followed. */
export function changedFiles(before: string, after: string): string[] {
  const paths = new Set([...filesIn(before), ...filesIn(after)]);
  return [...paths].sort().filter((path) => !isSame(entryAt(before, path), entryAt(after, path)));
}

function filesIn(root: string, folder = ""): string[] {
  return readFolder(join(root, folder)).flatMap((name) => {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (skipped.has(name)) return [];
    return lstatSync(join(root, path)).isDirectory() ? filesIn(root, path) : [path];
  });
}

function entryAt(root: string, path: string): Entry | undefined {
  const file = join(root, path);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (stat.isSymbolicLink()) return { kind: "link", executable: false, content: Buffer.from(readlinkSync(file)) };
  if (!stat.isFile()) return { kind: "other", executable: false, content: Buffer.alloc(0) };
  return { kind: "file", executable: (stat.mode & 0o111) !== 0, content: readFileSync(file) };
}

const isSame = (a: Entry | undefined, b: Entry | undefined) =>
  a !== undefined &&
  b !== undefined &&
  a.kind === b.kind &&
  a.executable === b.executable &&
  a.content.equals(b.content);

/** The differences in the files that differ, without documentation. */
export function fileDifferences(before: string, after: string, files = changedFiles(before, after)): Difference[] {
  return files.flatMap((file) => differencesOf(file, entryAt(before, file), entryAt(after, file)));
}

function differencesOf(file: string, before: Entry | undefined, after: Entry | undefined): Difference[] {
  const changed = before ? (after ? "changed" : "removed") : "added";
  if (after && after.kind !== "file") {
    const why =
      after.kind === "link" ? `is a link to ${spelled(String(after.content))}` : "is neither a file nor a link";
    return [{ file, dangerous: true, why }];
  }
  const { dangerous, compare, why = changed } = classOf(file);
  if (!before || !after || before.kind !== "file" || !compare) {
    return dangerous === "never" ? [] : [{ file, dangerous, why: `${changed}${why === changed ? "" : `: ${why}`}` }];
  }
  const [old, next] = [before.content.toString(), after.content.toString()];
  const values = old === next ? [] : compare(file, old, next);
  // Only the mode changed, or the values cannot be compared.
  if (!values) return [{ file, dangerous: true, why: `${changed}, and cannot be compared value by value` }];
  return old === next ? [{ file, dangerous: dangerous === true, why: "can be executed now, or no longer" }] : values;
}

interface FileClass {
  /** Applies to the whole file. `never`: only people read it. */
  dangerous: boolean | "never";
  /** What the file controls. */
  why?: string;
  /** Compares its values; undefined if they cannot be parsed. */
  compare?: (file: string, before: string, after: string) => Difference[] | undefined;
}

/** The first match counts. Files that match nothing are harmless changes. */
const classes: readonly [RegExp, FileClass][] = [
  [/(^|\/)\.clawdlets\//, { dangerous: true, why: "local state and keys, which git must not track" }],
  [/^Pulumi\.(ya?ml|json)$/, { dangerous: true, compare: values(["description"]) }],
  [/^stacks\/Pulumi\.[^/]+\.(yml|json)$/, { dangerous: true, why: "a stack file that the engine may read" }],
  [/(^|\/)package\.json$/, { dangerous: true, compare: changedManifest }],
  [/(^|\/)(package-lock|npm-shrinkwrap)\.json$/, { dangerous: true, compare: changedPackages }],
  [/(^|\/)(yarn\.lock|pnpm-lock\.yaml|bun\.lockb?)$/, { dangerous: true, why: "where packages come from" }],
  [
    /(^|\/)(\.npmrc|\.yarnrc.*|\.pnpmfile\.c?js|pnpm-workspace\.yaml|bunfig\.toml)$/,
    { dangerous: true, why: "how packages are installed" },
  ],
  [/(^|\/)flake\.lock$/, { dangerous: true, compare: changedInputs }],
  [/(^|\/)flake\.nix$/, { dangerous: true, why: "where the system comes from, and which caches nix trusts" }],
  [/\.nix$/, { dangerous: false, compare: changedNix }],
  [/^(clawdlets-policy\.json)$/, { dangerous: true, compare: values([]) }],
  [/(^|\/)(policy\/|PulumiPolicy\.ya?ml$)/, { dangerous: true, why: "what the policy refuses" }],
  [
    /^\.(github|gitlab|gitea|forgejo|circleci|buildkite|woodpecker)\/.*\.(ya?ml|json)$/,
    { dangerous: true, compare: values(["name"]) },
  ],
  [
    /^\.(github|gitlab|gitea|forgejo|circleci|buildkite|woodpecker)\//,
    { dangerous: true, why: "what CI runs, and who reviews" },
  ],
  [
    /(^|\/)(\.gitlab-ci\.ya?ml|\.travis\.ya?ml|\.drone\.ya?ml|\.woodpecker\.ya?ml|\.cirrus\.ya?ml|azure-pipelines.*\.ya?ml|bitbucket-pipelines\.ya?ml|appveyor\.ya?ml|Jenkinsfile|CODEOWNERS)$/,
    { dangerous: true, why: "what CI runs, or who reviews" },
  ],
  [
    /(^|\/)(\.githooks|\.husky|\.devcontainer|\.vscode|\.idea|\.direnv)\/|(^|\/)(\.pre-commit-config\.ya?ml|\.?lefthook\.ya?ml|\.envrc|\.mise\.toml|mise\.toml|\.tool-versions|\.lintstagedrc.*)$/,
    { dangerous: true, why: "runs on the machine of anyone who checks it out" },
  ],
  [
    /(^|\/)(\.gitattributes|\.gitmodules|\.gitignore|\.mailmap)$/,
    { dangerous: true, why: "what git runs, fetches or ignores" },
  ],
  [/^\.gitleaks\.toml$/, { dangerous: true, why: "what the secret scan ignores" }],
  // A bot reads its own documents, so they are not just documentation.
  [/^bots\/[^/]+\/openclaw\.json$/, { dangerous: false, compare: changedBot }],
  [/^bots\/openclaw\.schema\.json$/, { dangerous: true, why: "what the configurations of bots are checked against" }],
  [/^bots\/[^/]+\/secrets\.json$/, { dangerous: true, compare: values([]), why: "which secrets a bot gets" }],
  [/^bots\/.*\.json$/, { dangerous: false, compare: values([], false) }],
  [/^bots\//, { dangerous: false }],
  [/(^|\/)(LICENSE|[^/]+\.md)$|^docs\//, { dangerous: "never" }],
];

const classOf = (file: string): FileClass =>
  classes.find(([pattern]) => pattern.test(file))?.[1] ?? { dangerous: false };

/** Compares value by value; each change is dangerous except in `harmless`. */
function values(harmless: readonly string[], dangerous = true): NonNullable<FileClass["compare"]> {
  return (file, before, after) => {
    const isOpenclaw = /^bots\/[^/]+\/openclaw\.json$/.test(file);
    const format = isOpenclaw ? "openclaw" : file.endsWith(".json") ? "json" : "yaml";
    const [old, next] = [valuesIn(before, format), valuesIn(after, format)];
    if (!old || !next) return undefined;
    return changedValues(old, next).map(({ path, before, after }) =>
      valueDifference(file, path, before, after, dangerous && !harmless.includes(path)),
    );
  };
}

/** Compares value by value; further domains are dangerous, because the proxy may allow what this file needs. */
function changedBot(file: string, before: string, after: string): Difference[] | undefined {
  const [old, next] = [parseOpenclaw(before, file).value, parseOpenclaw(after, file).value];
  if (!old || !next) return undefined;
  const had = new Set(deriveEgress(old).needed.map(({ domain }) => domain));
  const added = deriveEgress(next).needed.filter(({ domain }) => !had.has(domain));
  const domains = [...new Set(added.map(({ domain }) => domain))];
  const why = `needs further domains: ${spelled(domains)}`;
  const more = domains.length > 0 ? [{ file, dangerous: true, why }] : [];
  return [...(values([], false)(file, before, after) ?? []), ...more];
}

const forPeople =
  /^(version|private|description|license|homepage|author|keywords|repository|bugs|funding|contributors)(\.|$)/;
const versionRange = /^"[\^~<>=\s]*\d[\w.+-]*(?:\s*(?:-|\|\||\s)\s*[\^~<>=]*\d[\w.+-]*)*"$/;

/** A package.json: a new version from the registry is harmless; a new package, another source or a script is dangerous. */
function changedManifest(file: string, before: string, after: string): Difference[] | undefined {
  const [old, next] = [valuesIn(before, "json"), valuesIn(after, "json")];
  if (!old || !next) return undefined;
  return changedValues(old, next).map(({ path, before, after }) => {
    const isDependency = /^(dependencies|devDependencies|peerDependencies|optionalDependencies)\./.test(path);
    const isVersion = [before, after].every((text) => text === undefined || versionRange.test(text));
    const isUpdate = isDependency && isVersion && before !== undefined;
    return valueDifference(file, path, before, after, !isUpdate && !forPeople.test(path));
  });
}
