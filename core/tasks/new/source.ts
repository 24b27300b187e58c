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

/** Inputs of ours that the template has as its own, so that a weekly `nix flake update` moves them. */
const lifted = ["nix-openclaw", "nixpkgs"];

/**
 * flake.lock of a repository with the template's flake.nix: what our own locks, in the places that Nix writes.
 * @param own text of our flake.lock
 */
export function flakeLock(own: string, { lock }: FlakeSource): string | undefined {
  if (!lock) return undefined;
  const { nodes, root, version } = JSON.parse(own) as Lock;
  const inputs = Object.entries(nodes[root]?.inputs ?? {});
  const above = below(
    nodes,
    inputs.filter(([name]) => lifted.includes(name)).flatMap(([, node]) => node),
  );
  // A list is a path from the root, which is one level further up for what stays below clawdlets.
  const moved = (paths: Record<string, string | string[]>) =>
    Object.fromEntries(
      Object.entries(paths).map(([name, to]) => [name, Array.isArray(to) ? ["clawdlets", ...to] : to]),
    );
  const others = Object.entries(nodes)
    .filter(([name]) => name !== root)
    .map(([name, { inputs: paths, ...node }]) => [
      name,
      { ...(paths && { inputs: above.has(name) ? paths : moved(paths) }), ...node },
    ]);
  const all = {
    ...Object.fromEntries(others),
    clawdlets: {
      inputs: Object.fromEntries(inputs.map(([name, to]) => [name, lifted.includes(name) ? [name] : to])),
      ...lock,
    },
    root: {
      inputs: { clawdlets: "clawdlets", ...Object.fromEntries(inputs.filter(([name]) => lifted.includes(name))) },
    },
  };
  const sorted = Object.fromEntries(Object.entries(all).sort(([left], [right]) => (left < right ? -1 : 1)));
  return `${JSON.stringify({ nodes: sorted, root: "root", version }, null, 2)}\n`;
}

/** These nodes and everything that they lead to. */
function below(nodes: Lock["nodes"], from: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    for (const to of Object.values(nodes[name]?.inputs ?? {})) if (typeof to === "string") visit(to);
  };
  for (const name of from) visit(name);
  return found;
}
