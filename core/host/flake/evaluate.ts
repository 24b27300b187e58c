import { UserError } from "../../base/errors.ts";
import { fetchingEnvironment } from "../../base/machine/environment.ts";
import { findOnPath } from "../../base/machine/on-path.ts";
import { run } from "../../base/machine/run.ts";
import type { Objection } from "../../base/problem.ts";
import { safeText, shellQuoted } from "../../base/wording.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { explainNix } from "./explain-nix.ts";
import { withNixToken } from "./nix-token.ts";
import { isRecentNix } from "./nix-version.ts";

/** Seconds. The first evaluation fetches nixpkgs. */
const limitSeconds = 300;

/**
 * Evaluates a host's system without building it. Does not trust the flake: evaluation is pure and builds nothing (import from
 * derivation, IFD, is off).
 * @param flake pinned, with attribute, as returned by `resolveFlake`
 * @returns its store path; undefined if this machine has no nix
 * @throws UserError with nix's reason if evaluation fails
 */
export async function evaluateSystem(flake: string, local: NixSettings): Promise<string | undefined> {
  if (findOnPath(local.nix) === undefined) return undefined;
  const { path, stdout, stderr, timedOut } = await evaluate(flake, local);
  if (path !== undefined) return path;
  const said = stderr.split(/\r?\n/).filter((line) => line.trim() !== "");
  const why = timedOut ? `nix took more than ${limitSeconds} s` : safeText(said.slice(-4).join("; ") || stdout, 600);
  throw new UserError(`${flake} does not evaluate here: ${why}`);
}

/**
 * Evaluates a host's system as an installation will, to find a mistake of the flake before a server is bought.
 * @param flake as of {@link evaluateSystem}
 * @param system of the server that is to be bought, e.g. `aarch64-linux`
 * @returns why it does not evaluate; undefined too if this machine has no nix that an installation could use, or if it did not say
 */
export async function evaluationObjection(
  flake: string,
  local: NixSettings,
  system: string,
): Promise<Objection | undefined> {
  if (!(await isRecentNix(local.nix))) return undefined;
  const { path, stderr, timedOut } = await evaluate(flake, local);
  if (path !== undefined) return systemObjection(flake, local, system);
  // An installation may build while it evaluates (IFD), and has more time.
  if (timedOut || stderr.includes("allow-import-from-derivation")) return undefined;
  const command = `nix eval --raw ${shellQuoted(attributeOf(flake))}`;
  const found = explainNix(stderr, `For nix's error message: ${command}`);
  return {
    code: "flake-invalid",
    problem: found?.message ?? `does not evaluate: ${safeText(stderr.trim().split("\n").at(-1) ?? "", 160)}`,
    fix: found?.advice ?? `For nix's error message: ${command}`,
  };
}

/** A system for another architecture would be built, installed, and never boot. */
async function systemObjection(flake: string, local: NixSettings, system: string): Promise<Objection | undefined> {
  const built = (await evaluateAttribute(flake, local, "system")).stdout.trim();
  if (!/^[\w]+-[\w]+$/.test(built) || built === system) return undefined;
  return {
    code: "flake-invalid",
    problem: `builds ${built}, but the server type needs ${system}.`,
    fix: `If you have just changed the server type, commit the stack file. In a flake of your own, set system = "${system}" for this host.`,
  };
}

type NixSettings = Pick<LocalSettings, "nix" | "githubToken">;

function attributeOf(flake: string, attribute = "outPath"): string {
  const [uri = "", host = ""] = flake.split("#");
  return `${uri}#nixosConfigurations."${host}".config.system.build.toplevel.${attribute}`;
}

async function evaluate(flake: string, local: NixSettings) {
  const { exitCode, stdout, stderr, timedOut } = await evaluateAttribute(flake, local, "outPath");
  const said = stdout.trim();
  const isPath = exitCode === 0 && /^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/.test(said);
  return { path: isPath ? said : undefined, stdout: said, stderr, timedOut };
}

function evaluateAttribute(flake: string, { nix, githubToken }: NixSettings, attribute: string) {
  const options = ["--extra-experimental-features", "nix-command flakes", "--no-allow-import-from-derivation"];
  const args = [...options, "eval", "--raw", "--no-write-lock-file", attributeOf(flake, attribute)];
  return withNixToken(githubToken, (variables) =>
    run(nix, args, { env: fetchingEnvironment(variables), timeoutSeconds: limitSeconds }),
  );
}
