import { git } from "../../base/machine/git.ts";
import type { Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings, WantedRevision } from "../../project/settings/host.ts";
import { encodedPath, encodedValue } from "../flake/address.ts";
import { revisionOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";

/** What a system is built from. */
export interface Source {
  /** Flake URI with attribute, for nix on this machine. */
  flake: string;
  /** 40 hex digits; undefined for a flake outside git. */
  commit: string | undefined;
  /** True if files that git tracks differ from the commit. */
  dirty: boolean;
}

/**
 * Finds what to build for a host on this machine. A named flake is pinned as for an installation, with this machine's access to private
 * repositories. This repository itself is taken from its folder: its commit need not be pushed, and without `wanted` its tracked files
 * are taken as they are.
 * @throws UserError if it cannot be pinned
 */
export async function sourceFor(
  layout: Layout,
  settings: HostSettings,
  local: LocalSettings,
  wanted: WantedRevision,
): Promise<Source> {
  const isOwn = settings.flake === undefined && local.flake === undefined;
  const isHead = wanted.rev === undefined && wanted.ref === undefined;
  if (isOwn && isHead && (await isDirty(layout.root))) {
    const [top = layout.root, below = ""] = await Promise.all([
      git(layout.root, "rev-parse", "--show-toplevel"),
      git(layout.root, "rev-parse", "--show-prefix"),
    ]);
    const folder = below === "" ? "" : `?dir=${encodedValue(below.replace(/\/$/, ""))}`;
    const commit = await git(layout.root, "rev-parse", "HEAD");
    return { flake: `git+file://${encodedPath(top)}${folder}#${settings.flakeHost}`, commit, dirty: true };
  }
  const flake = await resolveFlake(layout, settings, isOwn ? { ...local, flake: layout.root } : local, wanted);
  return { flake, commit: revisionOf(flake), dirty: false };
}

/** Nix takes tracked files only, so others do not count. */
async function isDirty(root: string): Promise<boolean> {
  return (await git(root, "status", "--porcelain", "--untracked-files=no")) !== "";
}
