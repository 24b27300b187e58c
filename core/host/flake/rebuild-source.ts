import { git } from "../../base/machine/git.ts";
import { flakeOfOrigin } from "./flake.ts";

/** Where a running host finds its commits: `rebuild.repository` and `rebuild.branch` of a stack file. */
export interface RebuildSource {
  /** `github:owner/repo`. */
  repository: string;
  /** Omitted if it is `main`, the default. */
  branch?: string;
}

/**
 * The repository that a host can build from on its own: that of its flake, otherwise the project's origin on the branch that is
 * checked out.
 * @param flake the flake's URI, if one is named
 * @returns undefined if it is not on github.com, the only place that a host fetches from
 */
export async function rebuildSource(root: string, flake: string | undefined): Promise<RebuildSource | undefined> {
  if (flake !== undefined) return sourceOf(flake);
  const origin = flakeOfOrigin(await git(root, "remote", "get-url", "origin"));
  const source = origin === undefined ? undefined : sourceOf(origin);
  return source && { ...source, ...branchOf(await git(root, "symbolic-ref", "--short", "HEAD")) };
}

function sourceOf(flake: string): RebuildSource | undefined {
  const [uri = ""] = flake.split("#");
  const [address = "", query = ""] = uri.split("?");
  const [, repository, tail] = /^(github:[\w.-]+\/[\w.-]+)(?:\/(.+))?$/.exec(address) ?? [];
  const asked = new URLSearchParams(query);
  if (repository === undefined || (asked.get("host") ?? "github.com") !== "github.com") return undefined;
  return { repository, ...branchOf(tail ?? asked.get("ref") ?? undefined) };
}

/** Omits `main`, commits, and refs that are not branches. */
function branchOf(ref: string | undefined): { branch?: string } {
  const branch = ref?.replace(/^refs\/heads\//, "");
  if (branch === undefined || branch === "main" || /^[0-9a-f]{40}$|^refs\//.test(branch)) return {};
  return { branch };
}
