import { dirname, join } from "node:path";
import { type GivenProblem, UserError } from "../../base/errors.ts";
import { cleanEnvironment, fetchingEnvironment } from "../../base/machine/environment.ts";
import { findOnPath } from "../../base/machine/on-path.ts";
import { runInGroup } from "../../base/machine/process-group.ts";
import { safeText } from "../../base/wording.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { withNixToken } from "../flake/nix-token.ts";

export interface NixRun {
  host: string;
  local: Pick<LocalSettings, "nix" | "githubToken">;
  signal: AbortSignal;
}

/** What a run that did not succeed printed. */
export interface NixFailed {
  stderr: string;
  /** The time limit in seconds, if it was reached. */
  limit?: number;
}

interface NixOptions {
  timeoutSeconds: number;
  /** What to say of a failure. */
  explain(failed: NixFailed): Pick<GivenProblem, "code" | "problem" | "fix">;
  /** Which of nix's programs. @default `nix` */
  program?: "nix" | "nix-store";
  env?: Record<string, string>;
  /** Standard input. */
  input?: string;
  /** True if nix needs the token for GitHub, or the operator's ssh agent. */
  fetches?: boolean;
}

/** Runs nix on this machine, before anything has changed on the host. @returns its output @throws UserError as `explain` says */
export async function nix(
  { host, local, signal }: NixRun,
  args: readonly string[],
  { timeoutSeconds, explain, program = "nix", env = {}, input, fetches = false }: NixOptions,
): Promise<string> {
  const path = programPath(local.nix, program);
  if (path === undefined) {
    throw new UserError({
      code: "program-missing",
      subject: host,
      setting: "clawdlets:rebuild.buildOn",
      problem: `needs ${program === "nix" ? local.nix : program} on this machine, which is not installed. Nothing was changed.`,
      fix: 'Install nix (https://nixos.org/download), set NIX_BIN in .clawdlets/.env, or set buildOn to "host".',
    });
  }
  const all = program === "nix" ? ["--extra-experimental-features", "nix-command flakes", ...args] : args;
  const result = await withNixToken(fetches ? local.githubToken : undefined, (variables) =>
    runInGroup(path, all, {
      env: (fetches ? fetchingEnvironment : cleanEnvironment)({ ...env, ...variables }),
      timeoutSeconds,
      signal,
      ...(input !== undefined && { input }),
    }),
  );
  if (result.exitCode === 0) return result.stdout;
  signal.throwIfAborted();
  const { stderr } = result;
  throw new UserError({
    subject: host,
    ...explain({ stderr, ...(result.timedOut && { limit: timeoutSeconds }) }),
  });
}

/** The programs of one nix are in one folder. */
function programPath(nixBinary: string, program: "nix" | "nix-store"): string | undefined {
  const path = findOnPath(nixBinary);
  if (path === undefined || program === "nix") return path;
  return findOnPath(join(dirname(path), program)) ?? findOnPath(program);
}

/**
 * What nix said last, for failures of this machine.
 * @param failed what did not work, e.g. `the build failed`
 * @param fix what to do about it
 */
export const lastLines =
  (failed: string, fix: string) =>
  ({ stderr, limit }: NixFailed) => {
    const why = limit === undefined ? lastWords(stderr) : `it took more than ${limit} s`;
    return { problem: `${failed}: ${why}. Nothing was changed.`, fix };
  };

export function lastWords(stderr: string): string {
  const said = stderr.split(/\r?\n/).filter((line) => line.trim() !== "");
  return safeText(said.slice(-4).join("; "), 600);
}
