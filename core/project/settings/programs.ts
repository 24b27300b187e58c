import { realpathSync } from "node:fs";
import { isAbsolute, relative } from "node:path";
import { packageRoot } from "../../base/machine/package-root.ts";
import { changeableBy, realPath } from "../../base/machine/trusted-program.ts";
import type { Objection } from "../../base/problem.ts";
import { leadsOut } from "../../base/text/inside.ts";
import { quoted } from "../../base/wording.ts";
import type { Layout } from "../layout.ts";
import { isTracked } from "../own-folder.ts";

/** Each with the bare name that is searched on PATH, which is also an allowed value. */
export const programKeys = {
  NIX_BIN: "nix",
  CLAWDLETS_NIXOS_ANYWHERE: "nixos-anywhere",
  CLAWDLETS_TAILSCALE: "tailscale",
} as const;

/**
 * Says why a program named in the settings must not be run: someone else could have put it there, or can change it. A missing
 * program is not a trust problem; running it reports that.
 */
export function programProblem(layout: Layout, key: keyof typeof programKeys, path: string): Objection | undefined {
  if (path === programKeys[key]) return undefined;
  if (!isAbsolute(path)) {
    return {
      code: "invalid-value",
      problem: `is ${quoted(path)}; allowed: an absolute path, e.g. /usr/bin/${programKeys[key]}.`,
    };
  }
  const real = realPath(path);
  if (real === undefined) return undefined;
  const why = changeableBy(path);
  if (why !== undefined) {
    return {
      code: "file-exposed",
      problem: `is ${quoted(path)}, but ${why}.`,
      fix: "Use a program that only you or root can change.",
    };
  }
  // Our own stand-ins are as trusted as this program, although a clone of this project tracks them.
  const isOurs = !leadsOut(relative(realpathSync(packageRoot), real));
  const inProject = relative(realpathSync(layout.root), real);
  if (!leadsOut(inProject) && !isOurs && isTracked(layout, inProject)) {
    return {
      code: "file-exposed",
      problem: `is ${quoted(path)}, which git tracks: it came with the repository.`,
      fix: "Use a program outside the repository.",
    };
  }
  return undefined;
}
