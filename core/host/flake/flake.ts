import { type Dirent, lstatSync, readdirSync, realpathSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { credentialProblem, withoutCredentials } from "../../base/credentials.ts";
import { hasCode, messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { fetchingEnvironment, ownEnvironment } from "../../base/machine/environment.ts";
import { git, runGit } from "../../base/machine/git.ts";
import { quoted, safeText, shellQuoted } from "../../base/wording.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { expandHome, type HostSettings, type LocalSettings, type WantedRevision } from "../../project/settings/host.ts";
import { decoded, encodedOnce, encodedPath, encodedValue } from "./address.ts";

const refuse = (message: string) => new UserError(message, { exitCode: exitCodes.settings });

/** What is needed to pin a host's flake. */
interface FlakeRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  wanted: WantedRevision;
}

/**
 * Pins the flake to install to a commit: the flake in the settings, else the repository's origin, else the local repository.
 * Resolves a branch or tag now, so call it once per installation and keep the result. Only files tracked by git are copied to
 * the store. Only a `path:` flake has no commit: it is the current content of its folder.
 * @returns `uri?rev=…#attribute`, `github:owner/repo/<rev>#attribute` or `path:…#attribute`
 * @throws UserError if it cannot be pinned
 */
export async function resolveFlake(
  layout: Layout,
  settings: HostSettings,
  local: LocalSettings,
  wanted: WantedRevision = local.wanted,
): Promise<string> {
  if (wanted.rev !== undefined && wanted.ref !== undefined) throw refuse("Pass a rev or a ref, not both.");
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
 * Converts an origin to a flake URI: `github:owner/repo` for GitHub, however it is spelt, else `git+…`. Removes credentials,
 * since CI checkouts write a token into the origin; for a private repository nix needs its own (GITHUB_TOKEN for GitHub).
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
        : `${layout.root} has no commit "${asked}". Fetch it (git fetch), or choose one listed by git log --all.`,
    );
  }
  await checkCommitted(layout, settings.host, asked === "HEAD" ? asked : rev);
  const origin = flakeOfOrigin(await git(layout.root, "remote", "get-url", "origin"));
  if (origin !== undefined) return `${origin}?rev=${rev}`;
  const remote = remoteOf((await repositoryOf(layout.root, "")) ?? "", layout.root);
  if (!remote) throw refuse(`${layout.root} is not in a git repository that nix can use. ${nameable}`);
  return remote.at(rev, await refFor(remote, rev, undefined));
}

/** A git flake sees only commits: with an uncommitted stack file, the host would be installed without its settings. */
async function checkCommitted(layout: Layout, host: string, rev: string): Promise<void> {
  const file = relative(layout.root, hostLayoutOf(layout, host).stackFile);
  if ((await git(layout.root, "cat-file", "-e", `${rev}:./${file}`)) !== undefined) return;
  throw refuse(
    rev === "HEAD"
      ? `${file} is not committed, and the flake sees only commits. Fix: git add '${file}' && git commit`
      : `${file} is not in commit ${rev}, and the flake sees only commits. Choose a commit that has it.`,
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
 * The branch or tag to pass to nix with a commit. Before 2.10 nix treats a local repository whose path needs encoding as remote,
 * and looks for the commit on `master` unless it gets a ref.
 * @throws UserError for a shallow clone, which nix refuses, and for a commit that is not on any branch or tag
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
    `The commit ${rev} is not on any branch or tag of ${folder}, and nix needs one. Create one: git -C ${shellQuoted(folder)} tag keep ${rev}`,
  );
}

const nameable = "Use github:owner/repo, git+https://…, git+ssh://…, git+file:///… or the folder of a git repository.";

/** Credentials would end up in the journal, in the stack file, and on command lines that every user of this machine can see. */
function refuseCredentials(uri: string): void {
  const problem = credentialProblem(uri);
  if (problem === undefined) return;
  throw refuse(`The flake ${problem}. For GitHub, use github:owner/repo and put GITHUB_TOKEN in .clawdlets/.env.`);
}

const fullRev = /^[0-9a-f]{40}$/;

/** Argument injection: these names go to git and into the flake's URI, so they must not be an option, range or pattern there. */
function checkRevision({ rev, ref }: WantedRevision): void {
  if (rev !== undefined && !fullRev.test(rev)) {
    throw refuse(`The flake's rev is ${quoted(rev)}; allowed: a full commit, 40 hex digits (git rev-parse HEAD).`);
  }
  if (ref !== undefined && !/^(?!.*(?:\.\.|\/\/|\/$))[A-Za-z0-9_][\w./+@-]{0,200}$/.test(ref)) {
    throw refuse(`The flake's ref is ${quoted(ref)}; allowed: a branch or tag, e.g. main, v1.2 or refs/tags/v1.2.`);
  }
}

/** A flake in a git repository whose branches and tags can be listed. */
interface Remote extends WantedRevision {
  named: string;
  /** URL for git. */
  url: string;
  /** `owner/name` if it is on GitHub, whatever the URI's form. */
  github: string | undefined;
  /** Absolute path of a local repository. */
  folder?: string;
  /** The flake's URI at a commit. Older versions of nix need the full name of its branch or tag, too. */
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

/** Asks a repository for one ref. @returns the commit and the full name, `HEAD` or `refs/…` */
async function askRemote({ local }: FlakeRequest, remote: Remote, ref: string): Promise<{ rev: string; ref: string }> {
  const names = ref === "HEAD" || ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  // `^{}` is the commit of an annotated tag.
  const patterns = names.flatMap((name) => (name.startsWith("refs/tags/") ? [name, `${name}^{}`] : [name]));
  const { exitCode, stdout, stderr, timedOut } = await runGit("/", ["ls-remote", "--", remote.url, ...patterns], {
    // In `/`, because nix does not use the project's git configuration either.
    network: true,
    env: gitEnvironment(remote, local.githubToken),
    timeoutSeconds: 60,
  });
  if (exitCode !== 0) {
    const words = stderr.split(/\r?\n/).filter((line) => line.trim() !== ""); // ssh ends its lines with both.
    const answer = timedOut ? "no answer in 60 s" : `"${safeText(words.slice(-4).join("; "), 300)}"`;
    throw refuse(
      `Could not look up ${ref} of the flake "${remote.named}": git ls-remote ${remote.url}: ${answer}. ${adviceFor(remote, stderr, local)} Or name a commit, which needs no lookup: ${remote.at("<40 hex digits>")}`,
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
      ? `The flake "${remote.named}" has a branch and a tag "${ref}". Use refs/heads/${ref} or refs/tags/${ref}.`
      : `The flake "${remote.named}" has no ${ref === "HEAD" ? "commit on its default branch" : `branch or tag "${ref}"`}. List them: git ls-remote ${remote.url}. For a commit, use all of its 40 hex digits.`,
  );
}

/**
 * Environment for git that never prompts for a password. For `github:` nix has only GITHUB_TOKEN, so git gets only that, too:
 * otherwise a repository that git can read and nix cannot would be found too late. For other URIs both use git's configuration.
 */
function gitEnvironment({ named }: Remote, token: string | undefined): Record<string, string> {
  const english = { LC_ALL: "C" };
  if (!named.startsWith("github:")) return fetchingEnvironment(english);
  const settings = [["credential.helper", ""]];
  if (token !== undefined) {
    const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
    settings.push(["http.https://github.com/.extraHeader", `Authorization: Basic ${basic}`]);
  }
  const added = settings.flatMap(([key = "", value = ""], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return fetchingEnvironment({
    ...english,
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(added),
  });
}

function adviceFor({ named, github, folder }: Remote, said: string, { githubToken }: LocalSettings): string {
  if (folder !== undefined) return `There must be a git repository at ${folder}.`;
  const isRefused =
    /not found|error: 40[134]|could not read|Authentication failed|Permission denied|access rights/i.test(said);
  if (!isRefused) return "Is this machine online, and is the host name right?";
  if (named.startsWith("github:")) {
    const why = "GitHub also answers 404 for a private repository";
    return githubToken === undefined
      ? `Fix its name. ${why}: if it is private, put a GITHUB_TOKEN that may read it in .clawdlets/.env.`
      : `Fix its name. ${why}: if it is private, GITHUB_TOKEN has expired or may not read it.`;
  }
  if (named.startsWith("git+ssh:")) {
    return "Fix its name, or give ssh a key that works without a prompt: one in a file that ~/.ssh/config names, or one in your agent (list them: ssh-add -l).";
  }
  return github === undefined
    ? "Fix its name or, if it is private, configure git here to read it without a prompt, because nix has none."
    : `Fix its name or, if it is private, use github:${github}: GITHUB_TOKEN only works there.`;
}

/** The real path of the folder in a flake's URI, links followed; undefined if the URI is not a folder. */
function folderOf(uri: string, root: string): string | undefined {
  const [, scheme, text = ""] = /^(path:)?([^?]*)/.exec(uri) ?? [];
  if (scheme === undefined && !/^(?:[/.~]|$)/.test(text)) return undefined;
  const path = scheme === undefined ? text : decoded(text.replace(/^\/\/(?=\/)/, ""));
  const folder = resolve(root, expandHome(path === "~" ? "~/" : path, ownEnvironment()));
  const real = realPath(folder);
  if (real !== undefined && lstatSync(real).isDirectory()) return real;
  throw refuse(`The flake "${uri}" is not a folder: there is none at ${folder}. ${nameable}`);
}

/** Finds a folder's repository as nix does. Nix then uses only tracked files, and here only those of a commit. */
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
    `The flake "${uri}" would be copied to /nix/store as a whole, including ${found} with its keys. Use git+file://${encodedPath(folder)}, or its origin: git flakes contain only tracked files.`,
  );
}

/** Enough for any flake, and searched in seconds. */
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
      if (entry.isDirectory()) open.push(path); // Links are not followed: nix copies them as links.
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
    throw refuse(`The flake's folder cannot be searched for keys: ${messageOf(error)}. ${nameable}`);
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
