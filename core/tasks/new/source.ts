import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { git } from "../../base/machine/git.ts";
import { packageRoot } from "../../base/machine/package-root.ts";
import { parseJson } from "../../base/text/json.ts";
import { flakeOfOrigin } from "../../host/flake/flake.ts";

/** Where the NixOS modules of this version are, as a flake input. */
export interface FlakeSource {
  url: string;
  /** Locked and original reference, as flake.lock has them; omitted for a URL that Nix has to lock itself. */
  lock?: { locked: Record<string, unknown>; original: Record<string, unknown> };
}

/** As the template has it, for a build that does not know where its repository is. */
export const unknownSource = "github:CHANGE_ME/clawdlets";

/** The commit and the origin that a package was built from, written by `npm run build`. */
export const builtFrom = "dist/source.json";

export interface Commit {
  rev: string;
  /** Seconds since 1970, which Nix compares. */
  time: number;
  /** Flake URI of the origin, e.g. `github:owner/clawdlets`. */
  origin?: string | undefined;
}

/** The commit of a git clone. @returns undefined outside of one */
export async function commitOf(folder: string): Promise<Commit | undefined> {
  if (!existsSync(join(folder, ".git"))) return undefined;
  const shown = await git(folder, "log", "-1", "--format=%H %ct");
  const [rev = "", time = ""] = shown?.split(" ") ?? [];
  if (rev === "") return undefined;
  return { rev, time: Number(time), origin: flakeOfOrigin(await git(folder, "remote", "get-url", "origin")) };
}

/** The flake of this version: the commit of this clone, or the one that the installed package was built from. */
export async function ownSource(): Promise<FlakeSource> {
  const file = join(packageRoot, builtFrom);
  const built = existsSync(join(packageRoot, ".git")) ? undefined : readBuilt(file);
  const commit = built ?? (await commitOf(packageRoot));
  if (!commit) return { url: unknownSource };
  return sourceOf(commit, built ? undefined : packageRoot);
}

const readBuilt = (file: string): Commit | undefined =>
  existsSync(file) ? (parseJson(readFileSync(file, "utf8")) as Commit | undefined) : undefined;

/** @param clone its folder, for one that has no origin that others can reach */
export function sourceOf({ rev, time, origin }: Commit, clone?: string): FlakeSource {
  const [, owner, repo] = /^github:([^/]+)\/(.+)$/.exec(origin ?? "") ?? [];
  if (owner !== undefined && repo !== undefined) {
    const original = { owner, repo, rev, type: "github" };
    return { url: `github:${owner}/${repo}/${rev}`, lock: { locked: { lastModified: time, ...original }, original } };
  }
  const url = origin?.replace(/^git\+/, "") ?? (clone === undefined ? undefined : `file://${clone}`);
  if (url === undefined) return { url: unknownSource };
  const original = { rev, type: "git", url };
  return { url: `git+${url}?rev=${rev}`, lock: { locked: { lastModified: time, ...original }, original } };
}

interface Lock {
  nodes: Record<string, { inputs?: Record<string, string | string[]>; locked?: unknown; original?: unknown }>;
  root: string;
  version: number;
}

/** flake.lock of a repository with clawdlets as its one input: what that locks, below it. @param own text of our flake.lock */
export function flakeLock(own: string, { lock }: FlakeSource): string | undefined {
  if (!lock) return undefined;
  const { nodes, root, version } = JSON.parse(own) as Lock;
  // A list is a path from the root, which is one level further up now.
  const below = (inputs: Record<string, string | string[]>) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, to]) => [name, Array.isArray(to) ? ["clawdlets", ...to] : to]),
    );
  const moved = Object.entries(nodes)
    .filter(([name]) => name !== root)
    .map(([name, { inputs, ...node }]) => [name, { ...(inputs && { inputs: below(inputs) }), ...node }] as const);
  const all = {
    ...Object.fromEntries(moved),
    clawdlets: { inputs: nodes[root]?.inputs ?? {}, ...lock },
    root: { inputs: { clawdlets: "clawdlets" } },
  };
  const sorted = Object.fromEntries(Object.entries(all).sort(([left], [right]) => left.localeCompare(right, "en")));
  return `${JSON.stringify({ nodes: sorted, root: "root", version }, null, 2)}\n`;
}
