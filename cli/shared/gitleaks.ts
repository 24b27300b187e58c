import { join } from "node:path";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { inCode } from "../../core/base/machine/package-root.ts";
import { engineRoot, packageRoot } from "../../engine/environment.ts";
import { ensureCheckTools } from "../../toolchain/checks.ts";

/** What {@link scanRepository} of core/tasks/repo needs beside the repository. */
export interface Gitleaks {
  gitleaks: string;
  /** Our rules, for a repository that has none of its own. */
  rules: string;
}

/** gitleaks, built first if it has to be. @throws UserError that says why it cannot be had */
export async function gitleaksOrSetUp(tell: (text: string) => void): Promise<Gitleaks> {
  const { found, missing } = await ensureCheckTools({
    root: engineRoot,
    sources: join(packageRoot, "toolchain"),
    wanted: ["gitleaks"],
    report: ({ kind, component, seconds }) => {
      if (kind === "start") tell(`building ${component}, once`);
      if (kind === "going") tell(`${component}: ${Math.round(seconds)} s so far`);
    },
  });
  if (found.gitleaks !== undefined) return { gitleaks: found.gitleaks, rules: inCode(".gitleaks.toml") };
  throw new UserError(`gitleaks is not installed, so git cannot be searched for secrets: ${missing.gitleaks}`, {
    exitCode: exitCodes.engine,
  });
}
