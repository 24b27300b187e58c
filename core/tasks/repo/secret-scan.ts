import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { gitEnvironment, runGit } from "../../base/machine/git.ts";
import { foreignRepository, isForeignRepository } from "../../base/machine/git-answer.ts";
import { run } from "../../base/machine/run.ts";

/** A secret that was or is about to be committed; does not contain the secret itself. */
export interface SecretFinding {
  /** Rule of `.gitleaks.toml`. */
  rule: string;
  description: string;
  /** Relative to the repository. */
  file: string;
  line: number;
  /** `history`: in a commit, possibly removed since. `changes`: in the index or in tracked files. */
  where: "history" | "changes";
  /** The commit that added it; empty for changes. */
  commit: string;
  message: string;
}

export interface SecretScan {
  root: string;
  /** Path of gitleaks, version 8. */
  gitleaks: string;
  /** Rules to use if the repository has no `.gitleaks.toml`. */
  rules: string;
  /** The part of the history to search, as a range for `git log`. @default all branches and tags */
  range?: string;
}

/** Exit code that gitleaks should use for findings: its default, 1, also means failure. */
const found = 9;

/**
 * Searches a repository for secrets: its whole history, and uncommitted changes. Skips ignored files, which is where secrets
 * belong.
 * @throws UserError if it is not a repository, or gitleaks fails (fails closed: nothing counts as clean without being searched)
 */
export async function scanRepository(scan: SecretScan): Promise<SecretFinding[]> {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-scan-"));
  try {
    const shallow = await runGit(scan.root, ["rev-parse", "--is-shallow-repository"]);
    if (isForeignRepository(shallow.stderr)) throw new UserError(`${foreignRepository}: ${scan.root}`);
    if (shallow.exitCode !== 0)
      throw new UserError(`${scan.root} is not a git repository, so there is no history to search.`);
    if (String(shallow.stdout).trim() === "true" && scan.range === undefined) {
      throw new UserError(
        `${scan.root} is a shallow clone, so most of its history cannot be searched. Fetch it: git fetch --unshallow (actions/checkout: fetch-depth: 0).`,
      );
    }
    await refuseBlindRules(scan, folder);
    const history = ["--log-opts", scan.range ?? "--all"];
    return [
      ...(await gitleaks(scan, folder, "history", history)),
      ...(await gitleaks(scan, folder, "changes", ["--pre-commit"])),
      ...(await gitleaks(scan, folder, "changes", ["--pre-commit", "--staged"])),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Only searches staged changes, for the pre-commit hook. */
export async function scanStaged(scan: SecretScan): Promise<SecretFinding[]> {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-scan-"));
  try {
    await refuseBlindRules(scan, folder);
    return await gitleaks(scan, folder, "changes", ["--pre-commit", "--staged"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Leak {
  RuleID: string;
  Description: string;
  File: string;
  StartLine: number;
  Commit: string;
}

const ownRules = ".gitleaks.toml";

function rulesOf({ root, rules }: SecretScan): string {
  const own = join(root, ownRules);
  return existsSync(own) ? own : rules;
}

/**
 * A `.gitleaks.toml` replaces gitleaks' own rules unless it extends them, and one that only lists exceptions finds nothing
 * (gitleaks/gitleaks#876). So the rules first have to find two keys that were made up for it.
 * @throws UserError if they do not
 */
async function refuseBlindRules(scan: SecretScan, folder: string): Promise<void> {
  for (const [name, text] of Object.entries(madeUpKeys())) {
    const report = join(folder, "rules.json");
    const args = ["stdin", "--config", rulesOf(scan), ...reporting(report)];
    const { exitCode, stderr } = await run(scan.gitleaks, args, {
      cwd: scan.root,
      env: await gitEnvironment(scan.root),
      input: text,
      timeoutSeconds: 60,
    });
    if (exitCode === found) continue;
    if (exitCode !== 0) throw failed(scan.root, stderr);
    throw new UserError(
      `${ownRules} does not find ${name}, so nothing was searched. Add gitleaks' own rules to it: [extend] and, below it, useDefault = true.`,
    );
  }
}

/** The two kinds of keys in `.clawdlets`, in the shape that gitleaks' own rules know. Random: a fixed one would be found here. */
function madeUpKeys(): Readonly<Record<string, string>> {
  const letters = (from: string, count: number) =>
    Array.from(randomBytes(count), (byte) => from[byte % from.length]).join("");
  const body = randomBytes(192).toString("base64");
  return {
    "an age identity": `AGE-SECRET-${"KEY"}-1${letters("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)}\n`,
    "an ssh private key": `-----BEGIN OPENSSH PRIVATE ${"KEY"}-----\n${body}\n-----END OPENSSH PRIVATE ${"KEY"}-----\n`,
  };
}

const reporting = (report: string) => [
  ...["--redact", "--no-banner", "--no-color"],
  ...["--exit-code", String(found), "--report-format", "json", "--report-path", report],
];

const failed = (root: string, stderr: string) =>
  new UserError(`gitleaks could not search ${root}: ${stderr.trim().split("\n").slice(-3).join(" ")}`);

async function gitleaks(
  scan: SecretScan,
  folder: string,
  where: SecretFinding["where"],
  options: string[],
): Promise<SecretFinding[]> {
  const { root, gitleaks: program } = scan;
  const report = join(folder, `${where}.json`);
  const args = ["git", ".", "--config", rulesOf(scan), ...reporting(report), ...options];
  const { exitCode, stderr } = await run(program, args, {
    cwd: root,
    env: await gitEnvironment(root),
    timeoutSeconds: 600,
  });
  if (exitCode !== 0 && exitCode !== found) throw failed(root, stderr);
  // gitleaks only reports commits that git cannot show on standard error, and otherwise counts them as searched.
  if (/\bERR\b|\bFTL\b/.test(String(stderr))) {
    throw new UserError(
      `gitleaks could not search all of ${root}: ${String(stderr).trim().split("\n").slice(-3).join(" ")}`,
    );
  }
  const leaks: Leak[] = JSON.parse(readFileSync(report, "utf8"));
  return leaks.map(({ RuleID, Description, File, StartLine, Commit }) => ({
    rule: RuleID,
    description: Description,
    file: File,
    line: StartLine,
    where,
    commit: Commit,
    message:
      where === "history"
        ? `${RuleID} in commit ${Commit.slice(0, 10)}: replace the secret first; then, if the repository is private, remove it from the history (git filter-repo)`
        : `${RuleID}: remove it before you commit`,
  }));
}
