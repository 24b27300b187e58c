import { UserError } from "../../base/errors.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { findOnPath } from "../../base/machine/on-path.ts";
import { run } from "../../base/machine/run.ts";
import { safeText } from "../../base/wording.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { withNixToken } from "./nix-token.ts";

/** Seconds. The first evaluation fetches nixpkgs. */
const limitSeconds = 300;

/**
 * Evaluates a host's system without building it. Does not trust the flake: evaluation is pure and builds nothing (import from
 * derivation, IFD, is off).
 * @param flake pinned, with attribute, as returned by `resolveFlake`
 * @returns its store path; undefined if this machine has no nix
 * @throws UserError with nix's reason if evaluation fails
 */
export async function evaluateSystem(
  flake: string,
  { nix, githubToken }: Pick<LocalSettings, "nix" | "githubToken">,
): Promise<string | undefined> {
  if (findOnPath(nix) === undefined) return undefined;
  const [uri = "", host = ""] = flake.split("#");
  const attribute = `${uri}#nixosConfigurations."${host}".config.system.build.toplevel.outPath`;
  const options = ["--extra-experimental-features", "nix-command flakes", "--no-allow-import-from-derivation"];
  const args = [...options, "eval", "--raw", "--no-write-lock-file", attribute];
  const { exitCode, stdout, stderr, timedOut } = await withNixToken(githubToken, (variables) =>
    run(nix, args, { env: cleanEnvironment(variables), timeoutSeconds: limitSeconds }),
  );
  const path = stdout.trim();
  if (exitCode === 0 && /^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/.test(path)) return path;
  const said = stderr.split("\n").filter((line) => line.trim() !== "");
  const why = timedOut ? `nix took more than ${limitSeconds} s` : safeText(said.slice(-4).join("; ") || path, 600);
  throw new UserError(`${flake} does not evaluate here: ${why}`);
}
