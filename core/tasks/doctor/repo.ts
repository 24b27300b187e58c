import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { join, relative } from "node:path";
import { hasCredentials } from "../../base/credentials.ts";
import { SettingsError } from "../../base/errors.ts";
import { runGit } from "../../base/machine/git.ts";
import { gitAnswer, whyNoAnswer } from "../../base/machine/git-answer.ts";
import { asUserError } from "../../base/system-errors.ts";
import { readText } from "../../base/text/read-text.ts";
import { lostFiles, lostObjection } from "../../project/copies/keep.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { listStackFiles, readRawStackFile } from "../../project/settings/stack-file.ts";
import type { DoctorContext } from "./context.ts";
import { attempt, type Check, type Finding, fromProblems, notChecked, ok, problem, warning } from "./finding.ts";

/** Checks what a clone of the repository would reveal, and what a preview of it needs. */
export async function checkRepo(context: DoctorContext): Promise<Finding[]> {
  const groups = await Promise.all([
    checkFolder(context),
    checkCopy(context),
    checkTracked(context),
    checkBranches(context),
    checkSecretScan(context),
  ]);
  return [
    ...groups.flat(),
    ...checkStackFiles(context),
    ...(await checkFlakeLock(context)),
    ...(await checkCommitted(context)),
  ];
}

function checkFolder({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "repo", check: "local folder", subject: ".clawdlets: modes, links, git" };
  return attempt(about, async () => {
    if (!existsSync(layout.dir)) return [ok(about, "does not exist, as in a fresh clone")];
    return fromProblems(about, await checkLocalFolder(layout), "private, ignored by git and not tracked");
  });
}

/** Files that git or a person deleted may still be in the copy. */
function checkCopy({ layout, environment }: DoctorContext): Promise<Finding[]> {
  const about: Check = {
    scope: "repo",
    check: "copy of keys",
    subject: "the copy that this machine keeps of .clawdlets",
  };
  return attempt(about, async () => {
    const lost = lostFiles(layout, environment);
    if (lost.length === 0) return [ok(about, "no file of the copy is missing here")];
    const fix = "clawdlets secrets restore; or, if you deleted them: clawdlets secrets restore --forget";
    const { code, problem: text } = lostObjection(lost);
    return [problem(about, code, text, fix)];
  });
}

/** File names that are always private, upstream's and ours, and core dumps, which contain a process's memory. */
const privateNames =
  /(^|\/)(\.env(\.[^/]*)?|[^/]*\.agekey|passphrase|core(\.\d+)?|ssh_host_[a-z0-9]+_key|id_(rsa|ed25519|ecdsa))$|^infra\/secrets\//;

async function checkTracked({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "repo", check: "tracked files", subject: "names of the files that git tracks" };
  return attempt(about, async () => {
    const { exitCode, stdout, stderr } = await runGit(layout.root, ["ls-files", "-z"], { timeoutSeconds: 30 });
    if (exitCode !== 0) return [notChecked(about, whyNoAnswer(stderr))];
    const files = stdout.split("\0").filter((file) => file !== "");
    const found = files.filter((file) => privateNames.test(file) && !file.endsWith(".env.example"));
    if (found.length === 0) return [ok(about, `${files.length} files, none named like a key or token file`)];
    const fix = `git rm --cached '${found[0]}', commit, and replace its secrets: they stay in the history`;
    const names = `${found.slice(0, 5).join(", ")}${found.length > 5 ? " and more" : ""}`;
    return [problem(about, "secret-in-public-file", `git tracks ${names}`, fix)];
  });
}

/** Git does not protect ignored files that another branch tracks: checking it out overwrites them, and switching back deletes them. */
async function checkBranches({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "repo", check: "branches", subject: ".clawdlets in every branch and tag" };
  return attempt(about, async () => {
    const refs = gitAnswer(layout.root, ["for-each-ref", "--format=%(refname)"]);
    const prefix = gitAnswer(layout.root, ["rev-parse", "--show-prefix"]);
    if (refs.exitCode !== 0 || prefix.exitCode !== 0) return [notChecked(about, whyNoAnswer(refs.stderr))];
    const names = refs.stdout.split("\n").filter((name) => name !== "");
    const path = `${prefix.stdout.trim()}${relative(layout.root, layout.dir)}`;
    const asked = gitAnswer(
      layout.root,
      ["cat-file", "--batch-check=%(objecttype)"],
      names.map((name) => `${name}:${path}\n`).join(""),
    );
    if (asked.exitCode !== 0) return [notChecked(about, "git could not list what they track")];
    const kinds = asked.stdout.split("\n");
    const found = names.filter((_, index) => /^(?:tree|blob|commit)$/.test(kinds[index] ?? ""));
    if (found.length === 0) return [ok(about, `none of ${names.length} has it`)];
    const more = found.length > 5 ? ` and ${found.length - 5} more` : "";
    const fix = `do not check out ${found[0]} here; use a separate folder: git worktree add FOLDER ${found[0]}`;
    return [
      problem(
        about,
        "file-exposed",
        `${found.slice(0, 5).join(", ")}${more} tracks .clawdlets: checking it out overwrites your keys, and switching back deletes them`,
        fix,
      ),
    ];
  });
}

function checkSecretScan({ layout, scanSecrets }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "repo", check: "secret scan", subject: "contents of the files that git tracks" };
  return attempt(about, async () => {
    if (!scanSecrets) return [notChecked(about, "gitleaks is not installed")];
    const leaks = await scanSecrets(layout.root).catch((error: unknown) => {
      const known = asUserError(error);
      if (!known) throw error;
      return known.message; // Not a repository, or a scanner that does not work: not a leak.
    });
    if (typeof leaks === "string") return [notChecked(about, leaks)];
    if (leaks.length === 0) return [ok(about, "nothing that looks like a secret")];
    const fix = "replace the secret where it was issued: it stays in the history. Then remove it from the file";
    return leaks.map(({ file, line, rule }) => ({
      ...problem(
        { ...about, subject: `${file}:${line}` },
        "secret-in-public-file",
        `looks like a secret (${rule})`,
        fix,
      ),
      at: { file, line },
    }));
  });
}

/** Public files must not contain addresses: those of servers and admins stay in stack.json and the state. */
function checkStackFiles({ layout }: DoctorContext): Finding[] {
  return listStackFiles(layout).flatMap((host) => {
    const file = relative(layout.root, hostLayoutOf(layout, host).stackFile);
    const about: Check = { scope: "repo", host, check: "public stack file", subject: file };
    try {
      const { firewallRules: _, ...config } = readRawStackFile(layout, host);
      const named = Object.entries(config).flatMap(([key, value]) => {
        const texts = JSON.stringify(value).split(/[^0-9A-Fa-f:.]+/);
        return texts.some((text) => isIP(text) !== 0 && text !== "::") ? [`clawdlets:${key}`] : [];
      });
      if (named.length === 0) return [ok(about, "contains no address")];
      const fix = "move addresses to .clawdlets/stack.json, and remove them here";
      return [problem(about, "secret-in-public-file", `has an address in ${named.join(", ")}`, fix)];
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      return [notChecked(about, "cannot be read; see the findings of scope stack")];
    }
  });
}

/** Nix builds a host from a commit, and silently leaves out whatever is not in it (NixOS/nix#7107). */
async function checkCommitted({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "repo", check: "commits", subject: "files that a host's system is built from" };
  return attempt(about, async () => {
    const paths = ["stacks", "hosts", "bots", "flake.nix", "flake.lock"];
    const args = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ...paths];
    const { exitCode, stdout, stderr } = await runGit(layout.root, args, { timeoutSeconds: 30 });
    if (exitCode !== 0) return [notChecked(about, whyNoAnswer(stderr))];
    const files = stdout.split("\0").flatMap((line) => (line === "" ? [] : line.slice(3)));
    if (files.length === 0) return [ok(about, "all committed")];
    const more = files.length > 3 ? ` and ${files.length - 3} more` : "";
    const text = `${files.slice(0, 3).join(", ")}${more} not committed: an installation or rebuild does not see the change`;
    return [warning(about, "flake-invalid", text, "commit and push it")];
  });
}

/** Without flake.lock, two installations of one commit differ. Anyone who clones the repository can read credentials in its addresses. */
async function checkFlakeLock({ layout }: DoctorContext): Promise<Finding[]> {
  const about: Check = { scope: "repo", check: "flake.lock", subject: "flake.nix and flake.lock" };
  if (!existsSync(join(layout.root, "flake.nix"))) return [ok(about, "no flake here; the hosts use another one")];
  return attempt(about, async () => {
    const leaking = ["flake.nix", "flake.lock"].filter((name) => quotesCredentials(join(layout.root, name)));
    if (leaking.length > 0) {
      const found = `${leaking.join(" and ")} has an input with a user, password or token in its address`;
      const fix = "remove it from the input, run nix flake lock, and replace the credential: it stays in the history";
      return [problem(about, "secret-in-public-file", found, fix)];
    }
    const { exitCode, stdout, stderr } = await runGit(layout.root, ["ls-files", "flake.lock"], { timeoutSeconds: 30 });
    if (exitCode !== 0) return [notChecked(about, whyNoAnswer(stderr))];
    if (stdout.trim() === "flake.lock") return [ok(about, "tracked")];
    const fix = "nix flake lock && git add flake.lock";
    return [
      warning(
        about,
        "flake-invalid",
        "git does not track a flake.lock, so the inputs of flake.nix are not pinned",
        fix,
      ),
    ];
  });
}

function quotesCredentials(path: string): boolean {
  const { text = "" } = readText(path, path);
  return text.split(/["\s;]/).some((word) => word.includes(":") && hasCredentials(word));
}
