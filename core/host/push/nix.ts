import { UserError } from "../../base/errors.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { findOnPath } from "../../base/machine/on-path.ts";
import { run } from "../../base/machine/run.ts";
import { safeText } from "../../base/wording.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { withNixToken } from "../flake/nix-token.ts";

export interface NixRun {
  host: string;
  local: Pick<LocalSettings, "nix" | "githubToken">;
  signal: AbortSignal;
}

interface NixOptions {
  timeoutSeconds: number;
  /** Sentence for what failed, e.g. `the build failed`. */
  failed: string;
  /** What to do about it. */
  fix: string;
  env?: Record<string, string>;
  /** Standard input. */
  input?: string;
  /** True if nix needs the token for GitHub. */
  fetches?: boolean;
}

/** Runs nix on this machine, before anything has changed on the host. @returns its output @throws UserError with nix's reason */
export async function nix(
  { host, local, signal }: NixRun,
  args: readonly string[],
  { timeoutSeconds, failed, fix, env = {}, input, fetches = false }: NixOptions,
): Promise<string> {
  if (findOnPath(local.nix) === undefined) {
    throw new UserError({
      code: "program-missing",
      subject: host,
      setting: "clawdlets:rebuild.buildOn",
      problem: `needs nix on this machine, and there is no ${local.nix}. Nothing was changed.`,
      fix: 'Install nix (https://nixos.org/download), set NIX_BIN in .clawdlets/.env, or set buildOn to "host".',
    });
  }
  const all = ["--extra-experimental-features", "nix-command flakes", ...args];
  const result = await withNixToken(fetches ? local.githubToken : undefined, (variables) =>
    run(local.nix, all, {
      env: cleanEnvironment({ ...env, ...variables }),
      timeoutSeconds,
      signal,
      ...(input !== undefined && { input }),
    }),
  );
  if (result.exitCode === 0) return result.stdout;
  signal.throwIfAborted();
  const said = result.stderr.split("\n").filter((line) => line.trim() !== "");
  const why = result.timedOut ? `it took more than ${timeoutSeconds} s` : safeText(said.slice(-4).join("; "), 600);
  throw new UserError({ subject: host, problem: `${failed}: ${why}. Nothing was changed.`, fix });
}
