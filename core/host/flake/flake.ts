import { type Dirent, lstatSync, readdirSync, realpathSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { credentialProblem, withoutCredentials } from "../../base/credentials.ts";
import { hasCode, messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { git, runGit } from "../../base/machine/git.ts";
import { quoted, shellQuoted, shown } from "../../base/wording.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { expandHome, type HostSettings, type LocalSettings, type WantedRevision } from "../../project/settings/host.ts";
import { decoded, encodedOnce, encodedPath, encodedValue } from "./address.ts";

const refuse = (message: string) => new UserError(message, { exitCode: exitCodes.settings });

/** What one flake is looked up for. */
interface FlakeRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  wanted: WantedRevision;
}

/**
 * The flake to install, pinned to a commit: the one that is named, else the repository's own origin, else the repository
 * on this machine. A branch or tag is looked up now, so ask once for an installation and keep the answer. Only what git
 * tracks is ever copied to the store; a `path:` flake alone has no commit, and is what stands in its folder.
 * @returns `uri?rev=…#attribute`, `github:owner/repo/<rev>#attribute` or `path:…#attribute`
 * @throws UserError when it cannot be pinned: what was asked where, and what to do
 */
export async function resolveFlake(
  layout: Layout,
  settings: HostSettings,
  local: LocalSettings,
  wanted: WantedRevision = local.wanted,
): Promise<string> {
  if (wanted.rev !== undefined && wanted.ref !== undefined) throw refuse("Give a rev or a ref, not both.");
  checkRevision(wanted);
  const request = { layout, settings, local, wanted };
  const named = settings.flake ?? local.flake;
  if (named !== undefined) refuseCredentials(named);
  if (named === undefined) return `${await pinOwn(request)}#${settings.flakeHost}`;
  const [uri = "", attribute = settings.flakeHost] = named.split("#");
  if (attribute !== settings.flakeHost) {
    throw refuse(
      `The flake names the attribute "${attribute}", but clawdlets:flakeHost is "${settings.flakeHost}". Make them the same.`,
    );
  }
  return `${await pinNamed(request, uri)}#${settings.flakeHost}`;
}

/**
 * `github:owner/repo` for a GitHub origin, whichever way it is spelt; other hosts by git. CI checkouts write a token into the
 * origin: credentials are left out, and nix needs its own way to read a private repository (GITHUB_TOKEN for GitHub).
 */
export function flakeOfOrigin(given: string | undefined): string | undefined {
  const origin = withoutCredentials(given?.trim() ?? "").replace(/[?#].*$/, "");
  if (origin === "") return undefined;
  const github = /^(?:https:\/\/|ssh:\/\/git@|git@)github\.com[/:]([^/]+)\/(.+?)(?:\.git)?\/?$/.exec(origin);
  if (github) return `github:${github[1]}/${github[2]}`;
  if (/^(https|ssh):\/\//.test(origin)) return `git+${encodedOnce(origin)}`;
  const scp = /^([^@/]+@[^:/]+):(.+)$/.exec(origin);
  return scp ? `git+ssh://${scp[1]}/${encodedPath(scp[2] ?? "")}` : undefined;
}

async function pinOwn({ layout, settings, wanted }: FlakeRequest): Promise<string> {
  const asked = wanted.rev ?? wanted.ref ?? "HEAD";
  const rev = await git(layout.root, "rev-parse", "--verify", `${asked}^{commit}`);
  if (rev === undefined) {
    throw refuse(
      asked === "HEAD"
        ? `${layout.root} has no git commit, and no flake is named. Commit the project, or set clawdlets:flake in the stack file.`
        : `${layout.root} has no commit "${asked}". Fetch it (git fetch), or name another; git log --all shows those there are.`,
    );
  }
  await checkCommitted(layout, settings.host, asked === "HEAD" ? asked : rev);
  const origin = flakeOfOrigin(await git(layout.root, "remote", "get-url", "origin"));
  if (origin !== undefined) return `${origin}?rev=${rev}`;
  const remote = remoteOf((await repositoryOf(layout.root, "")) ?? "", layout.root);
  if (!remote) throw refuse(`${layout.root} is not in a git repository that nix can be given. ${nameable}`);
  return remote.at(rev, await refFor(remote, rev, undefined));
}

/** A git flake sees commits, not the folder: an uncommitted stack file would install a host without its settings. */
async function checkCommitted(layout: Layout, host: string, rev: string): Promise<void> {
  const file = relative(layout.root, hostLayoutOf(layout, host).stackFile);
  if ((await git(layout.root, "cat-file", "-e", `${rev}:./${file}`)) !== undefined) return;
  throw refuse(
    rev === "HEAD"
      ? `${file} is not committed, and the flake sees commits only. Mend: git add '${file}' && git commit`
      : `${file} is not in commit ${rev}, and the flake sees commits only. Name a commit that has it.`,
  );
}

async function pinNamed(request: FlakeRequest, named: string): Promise<string> {
  const { layout, settings, wanted } = request;
  const folder = folderOf(named, layout.root);
  const repository = folder && !named.startsWith("path:") ? await repositoryOf(folder, named) : undefined;
  if (folder && repository === undefined) {
    refuseLeakyFolder(layout, named, folder);
    if (wanted.rev === undefined && wanted.ref === undefined) return `path:${encodedPath(folder)}${queryOf(named)}`;
    throw refuse(`The flake "${named}" is a folder outside git: it has no revision to choose. ${nameable}`);
  }
  const remote = remoteOf(repository ?? named, layout.root);
  if (!remote) throw refuse(`The flake "${named}" cannot be pinned to a commit by clawdlets. ${nameable}`);
  checkRevision(remote);
  const given = wanted.rev ?? (wanted.ref === undefined ? remote.rev : undefined);
  const found =
    given === undefined ? await askRemote(request, remote, wanted.ref ?? remote.ref ?? "HEAD") : { rev: given };
  const isOurs = remote.folder !== undefined && realPath(remote.folder) === realPath(layout.root);
  if (isOurs) await checkCommitted(layout, settings.host, found.rev);
  return remote.at(found.rev, await refFor(remote, found.rev, "ref" in found ? found.ref : remote.ref));
}

/**
 * The branch or tag that nix is told beside a commit. Before 2.10 it takes a repository whose path has to be encoded for one on
 * another machine, and looks for the commit on `master` unless it is told another name.
 * @throws UserError for a shallow clone, which nix refuses, and a commit that is on no branch or tag
 */
async function refFor({ folder, url }: Remote, rev: string, ref: string | undefined): Promise<string | undefined> {
  if (folder === undefined || realPath(folder) === undefined) return ref === "HEAD" ? undefined : ref;
  if ((await git(folder, "rev-parse", "--is-shallow-repository")) === "true") {
    throw refuse(
      `${folder} is a shallow clone, which nix refuses. Fetch the rest: git -C ${shellQuoted(folder)} fetch --unshallow`,
    );
  }
  if (url === `file://${folder}`) return ref === "HEAD" ? undefined : ref;
  if (ref !== undefined) return ref;
  if ((await git(folder, "merge-base", "--is-ancestor", rev, "HEAD")) !== undefined) return "HEAD";
  const names = await git(folder, "for-each-ref", "--contains", rev, "--count=1", "--format=%(refname)");
  if (names) return names;
  throw refuse(
    `The commit ${rev} is on no branch or tag of ${folder}, and nix needs one. Make one: git -C ${shellQuoted(folder)} tag keep ${rev}`,
  );
}

const nameable =
  "Name it as github:owner/repo, git+https://…, git+ssh://…, git+file:///… or the folder of a git repository.";

/** It would end up in the journal, in the stack file, and on command lines that every user of this machine sees. */
function refuseCredentials(uri: string): void {
  const problem = credentialProblem(uri);
  if (problem === undefined) return;
  throw refuse(
    `The flake ${problem}. For GitHub, name it as github:owner/repo and put GITHUB_TOKEN in .clawdlets/.env.`,
  );
}

const fullRev = /^[0-9a-f]{40}$/;

/** Names go to git and into the flake's URI: nothing that is an option, a range or a pattern there. */
function checkRevision({ rev, ref }: WantedRevision): void {
  if (rev !== undefined && !fullRev.test(rev)) {
    throw refuse(`The flake's rev is ${quoted(rev)}; allowed: a full commit, 40 hex digits (git rev-parse HEAD).`);
  }
  if (ref !== undefined && !/^(?!.*(?:\.\.|\/\/|\/$))[A-Za-z0-9_][\w./+@-]{0,200}$/.test(ref)) {
    throw refuse(`The flake's ref is ${quoted(ref)}; allowed: a branch or tag, e.g. main, v1.2 or refs/tags/v1.2.`);
  }
}

/** A flake in a git repository that can be asked what its branches and tags are. */
interface Remote extends WantedRevision {
  named: string;
  /** For git. */
  url: string;
  /** Its owner and name, where it is GitHub's, whatever way it is asked. */
  github: string | undefined;
  /** Absolute path of one on this machine. */
  folder?: string;
  /** The flake's URI at a commit, whose branch or tag older versions of nix have to be told, by its full name. */
  at: (rev: string, ref?: string) => string;
}

function remoteOf(named: string, root: string): Remote | undefined {
  const [address = ""] = named.split("?");
  const query = new URLSearchParams(queryOf(named));
  const others = queryOf(named)
    .slice(1)
    .split("&")
    .filter((pair) => !/^(?:rev|ref)?(?:=|$)/.test(pair));
  const asked = { rev: query.get("rev") ?? undefined, ref: query.get("ref") ?? undefined };

  const [, repository, tail] = /^github:([\w.-]+\/[\w.-]+)(?:\/(.+))?$/.exec(address) ?? [];
  if (repository !== undefined) {
    const host = query.get("host") ?? "github.com";
    const given = tail === undefined ? asked : fullRev.test(tail) ? { rev: tail } : { ...asked, ref: tail };
    const url = `https://${host}/${repository}`;
    const at = (rev: string) => withQuery(`github:${repository}/${rev}`, others);
    return { named, url, ...given, github: host === "github.com" ? repository : undefined, at };
  }
  const [, scheme, rest = ""] = /^git\+(?:(https|ssh):(?=\/\/[^/])|file:(?!\/\/[^/]))(.+)$/.exec(address) ?? [];
  if (rest === "") return undefined;
  const folder = scheme === undefined ? resolve(root, decoded(rest.replace(/^\/\//, ""))) : undefined;
  const url = folder === undefined ? `${scheme}:${encodedOnce(rest)}` : `file://${encodedPath(folder)}`;
  const at = (rev: string, ref?: string) =>
    withQuery(`git+${url}`, [...others, ...(ref === undefined ? [] : [`ref=${ref}`]), `rev=${rev}`]);
  const github = /^\/\/(?:git@)?github\.com\/([^/]+\/[^/]+?)(?:\.git)?\/?$/.exec(rest)?.[1];
  return { named, url, ...asked, github, at, ...(folder !== undefined && { folder }) };
}

const queryOf = (uri: string) => /\?.*$/.exec(uri)?.[0] ?? "";
const withQuery = (uri: string, pairs: readonly string[]) => (pairs.length > 0 ? `${uri}?${pairs.join("&")}` : uri);

/** Asks a repository for one name. @returns the commit and the name in full, `HEAD` or `refs/…` */
async function askRemote({ local }: FlakeRequest, remote: Remote, ref: string): Promise<{ rev: string; ref: string }> {
  const names = ref === "HEAD" || ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  // The commit of a tag that is an object of its own has a name of its own.
  const patterns = names.flatMap((name) => (name.startsWith("refs/tags/") ? [name, `${name}^{}`] : [name]));
  const { exitCode, stdout, stderr, timedOut } = await runGit("/", ["ls-remote", "--", remote.url, ...patterns], {
    // Not in the project, whose git configuration is not in force for nix either.
    network: true,
    env: gitEnvironment(remote, local.githubToken),
    timeoutSeconds: 60,
  });
  if (exitCode !== 0) {
    const words = stderr.split("\n").filter((line) => line.trim() !== "");
    const answer = timedOut ? "no answer in 60 s" : `"${shown(words.slice(-3).join("; "), 300)}"`;
    throw refuse(
      `The flake "${remote.named}" could not be asked for ${ref}: git ls-remote ${remote.url}: ${answer}. ${adviceFor(remote, stderr, local)} Or name a commit, which is taken without asking: ${remote.at("<40 hex digits>")}`,
    );
  }
  const found = new Map(stdout.split("\n").map((line) => [line.slice(41), line.slice(0, 40)] as const));
  const [first, second] = names.flatMap((name) => {
    const rev = found.get(`${name}^{}`) ?? found.get(name);
    return rev === undefined ? [] : [{ rev, ref: name }];
  });
  if (first && !second) return first;
  throw refuse(
    first
      ? `The flake "${remote.named}" has a branch and a tag "${ref}". Say which: refs/heads/${ref} or refs/tags/${ref}.`
      : `The flake "${remote.named}" has no ${ref === "HEAD" ? "commit on its default branch" : `branch or tag "${ref}"`}. These are there: git ls-remote ${remote.url}. A commit is named by all of its 40 hex digits.`,
  );
}

/**
 * Nobody is there to be asked for a password. For `github:` nix has GITHUB_TOKEN and nothing else, so git gets that, and no
 * other way in: what git could read and nix could not would be found too late. For other URIs both run git as it is set up.
 */
function gitEnvironment({ named }: Remote, token: string | undefined): Record<string, string> {
  const silent = { LC_ALL: "C", GIT_TERMINAL_PROMPT: "0", SSH_ASKPASS: "false", SSH_ASKPASS_REQUIRE: "force" };
  if (!named.startsWith("github:")) return cleanEnvironment(silent);
  const settings = [["credential.helper", ""]];
  if (token !== undefined) {
    const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
    settings.push(["http.https://github.com/.extraHeader", `Authorization: Basic ${basic}`]);
  }
  const added = settings.flatMap(([key = "", value = ""], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return cleanEnvironment({
    ...silent,
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(added),
  });
}

function adviceFor({ named, github, folder }: Remote, said: string, { githubToken }: LocalSettings): string {
  if (folder !== undefined) return `There has to be a git repository at ${folder}.`;
  const isRefused =
    /not found|error: 40[134]|could not read|Authentication failed|Permission denied|access rights/i.test(said);
  if (!isRefused) return "Is this machine online, and the name of the host right?";
  if (named.startsWith("github:")) {
    const why = "GitHub says 404 for a private repository to whoever may not read it";
    return githubToken === undefined
      ? `Mend its name, or, as ${why}: put a GITHUB_TOKEN that may read it in .clawdlets/.env.`
      : `Mend its name, or, as ${why}: the GITHUB_TOKEN that is set has expired or may not read it.`;
  }
  if (named.startsWith("git+ssh:")) {
    return "Mend its name, or give ssh a key that it can use without an agent and without asking, as nix has to.";
  }
  return github === undefined
    ? "Mend its name, or, if it is private, set git up here to read it without asking, as nix has to."
    : `Mend its name, or, if it is private, name it as github:${github}: GITHUB_TOKEN counts there only.`;
}

/** The real folder that a flake's URI names, links followed; nothing for a URI of another kind. */
function folderOf(uri: string, root: string): string | undefined {
  const [, scheme, text = ""] = /^(path:)?([^?]*)/.exec(uri) ?? [];
  if (scheme === undefined && !/^(?:[/.~]|$)/.test(text)) return undefined;
  const path = scheme === undefined ? text : decoded(text.replace(/^\/\/(?=\/)/, ""));
  const folder = resolve(root, expandHome(path === "~" ? "~/" : path, process.env));
  const real = realPath(folder);
  if (real !== undefined && lstatSync(real).isDirectory()) return real;
  throw refuse(`The flake "${uri}" is no folder: there is none at ${folder}. ${nameable}`);
}

/** As nix finds the repository that a folder belongs to: tracked files only, and here those of a commit. */
async function repositoryOf(folder: string, uri: string): Promise<string | undefined> {
  const top = await git(folder, "rev-parse", "--show-toplevel");
  if (top === undefined) return undefined;
  const below = relative(top, folder);
  const pairs = [
    ...(below === "" ? [] : [`dir=${encodedValue(below)}`]),
    ...(queryOf(uri) ? [queryOf(uri).slice(1)] : []),
  ];
  return withQuery(`git+file://${encodedPath(top)}`, pairs);
}

/** Nix copies the whole folder of a `path:` flake into the world-readable store, ignored files included. */
function refuseLeakyFolder(layout: Layout, uri: string, folder: string): void {
  const found = privateFolderIn(layout, folder);
  if (found === undefined) return;
  throw refuse(
    `The flake "${uri}" would be copied whole into /nix/store, ${found} with its keys included. Name it as git+file://${encodedPath(folder)}, or by its origin: git flakes take tracked files only.`,
  );
}

/** Enough for any flake, and looked through in seconds. */
const maxEntries = 200_000;

function privateFolderIn(layout: Layout, folder: string): string | undefined {
  const ours = realPath(layout.dir) ?? layout.dir;
  if (isInside(ours, folder) || isInside(folder, ours)) return ours;
  if (folder.split(sep).includes(".clawdlets")) return folder;
  const open = [folder];
  let count = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const entry of entriesOf(next)) {
      const path = join(next, entry.name);
      if (entry.name === ".clawdlets") return path;
      if (entry.isDirectory()) open.push(path); // Nix copies a link as a link.
      count += 1;
      if (count > maxEntries)
        throw refuse(`The flake's folder ${folder} has more than ${maxEntries} files. ${nameable}`);
    }
  }
  return undefined;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw refuse(`The flake's folder cannot be looked through for keys: ${messageOf(error)}. ${nameable}`);
  }
}

const isInside = (path: string, folder: string) => path === folder || path.startsWith(folder.replace(/\/?$/, "/"));

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}
