import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { gitEnvironment, runGit } from "../../base/machine/git.ts";
import { run } from "../../base/machine/run.ts";

/** A secret that git holds or is about to take. Never the secret itself. */
export interface SecretFinding {
  /** Of `.gitleaks.toml`. */
  rule: string;
  description: string;
  /** Relative to the repository. */
  file: string;
  line: number;
  /** `history`: committed at some time, maybe gone since. `changes`: in the index or in tracked files. */
  where: "history" | "changes";
  /** The commit it came with; empty for changes. */
  commit: string;
  message: string;
}

export interface SecretScan {
  root: string;
  /** The program, of version 8. */
  gitleaks: string;
  /** Rules to use where the repository has no `.gitleaks.toml` of its own. */
  rules: string;
  /** What of the history: a range as `git log` takes it. @default all branches and tags */
  range?: string;
}

/** gitleaks' exit code for "something was found": its default, 1, would be that of a failure as well. */
const found = 9;

/**
 * Looks for secrets in a repository: its whole history, and what is changed but not committed. Files that git ignores are
 * where secrets belong, and are left alone.
 * @throws UserError when it is no repository, or gitleaks does not work; never passes for clean what was not searched
 */
export async function scanRepository(scan: SecretScan): Promise<SecretFinding[]> {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-scan-"));
  try {
    const shallow = await runGit(scan.root, ["rev-parse", "--is-shallow-repository"]);
    if (shallow.exitCode !== 0)
      throw new UserError(`${scan.root} is no git repository, so there is no history to search.`);
    if (String(shallow.stdout).trim() === "true" && scan.range === undefined) {
      throw new UserError(
        `${scan.root} has only the end of its history, so the rest cannot be searched. Fetch it: git fetch --unshallow (actions/checkout: fetch-depth: 0).`,
      );
    }
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

/** Searches only what a commit would take: for the hook before it. */
export async function scanStaged(scan: SecretScan): Promise<SecretFinding[]> {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-scan-"));
  try {
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

async function gitleaks(
  { root, gitleaks: program, rules }: SecretScan,
  folder: string,
  where: SecretFinding["where"],
  options: string[],
): Promise<SecretFinding[]> {
  const own = join(root, ".gitleaks.toml");
  const report = join(folder, `${where}.json`);
  const args = [
    ...["git", ".", "--config", existsSync(own) ? own : rules, "--redact", "--no-banner", "--no-color"],
    ...["--exit-code", String(found), "--report-format", "json", "--report-path", report, ...options],
  ];
  const { exitCode, stderr } = await run(program, args, {
    cwd: root,
    env: await gitEnvironment(root),
    timeoutSeconds: 600,
  });
  if (exitCode !== 0 && exitCode !== found) {
    throw new UserError(`gitleaks could not search ${root}: ${String(stderr).trim().split("\n").slice(-3).join(" ")}`);
  }
  // A commit that git cannot show is told on standard error alone, and would pass for searched.
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
        ? `${RuleID} in commit ${Commit.slice(0, 10)}: replace the secret first; then, if the repository is private, take it out of the history (git filter-repo)`
        : `${RuleID}: take it out before it is committed`,
  }));
}
