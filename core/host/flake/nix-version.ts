import { readFileSync, realpathSync } from "node:fs";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { findOnPath } from "../../base/machine/on-path.ts";
import { run } from "../../base/machine/run.ts";

/** Oldest nix that works with nixos-anywhere, which runs `nix config show`. */
const oldest = [2, 16] as const;

/**
 * Checks the version of the nix that the installer will use.
 * @param installer path of nixos-anywhere
 * @throws UserError if the installer uses this machine's nix and that is missing or too old
 */
export async function checkNixOf(installer: string, nix: string): Promise<void> {
  if (isFromStore(installer) || !usesNix(installer)) return;
  const fix = "Install a newer one (https://nixos.org/download), or set NIX_BIN in .clawdlets/.env to its path.";
  const refuse = (what: string) => new UserError(`${what} ${fix}`, { exitCode: exitCodes.settings });
  const needed = `${installer} needs nix ${oldest.join(".")} or newer`;
  const path = findOnPath(nix);
  if (path === undefined) throw refuse(`${needed}, but there is no ${nix} on this machine.`);
  const found = await versionOf(path);
  if (found === undefined) throw refuse(`${needed}, but ${path} does not print its version.`);
  if (isOlder(found)) throw refuse(`${needed}, but ${path} is ${found.join(".")}.`);
}

/** True if this machine has a nix that nixos-anywhere could use. */
export async function isRecentNix(nix: string): Promise<boolean> {
  const path = findOnPath(nix);
  const found = path === undefined ? undefined : await versionOf(path);
  return found !== undefined && !isOlder(found);
}

async function versionOf(path: string): Promise<readonly [number, number] | undefined> {
  const { stdout } = await run(path, ["--version"], { env: cleanEnvironment(), timeoutSeconds: 10 });
  const [, major, minor] = /\b(\d+)\.(\d+)/.exec(stdout) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

const isOlder = (found: readonly [number, number]) =>
  found[0] < oldest[0] || (found[0] === oldest[0] && found[1] < oldest[1]);

/** A plain script uses this machine's nix; one from the Nix store has its own. */
const isFromStore = (installer: string) => realpathSync(installer).startsWith("/nix/store/");

/** Whether an installer runs nix. A stand-in needs none. */
export function usesNix(installer: string): boolean {
  return isFromStore(installer) || readFileSync(installer, "latin1").includes("extra-experimental-features");
}
