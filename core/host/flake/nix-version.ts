import { readFileSync, realpathSync } from "node:fs";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { findOnPath } from "../../base/machine/on-path.ts";
import { run } from "../../base/machine/run.ts";

/** Oldest nix that nixos-anywhere works with: it asks `nix config show`. */
const oldest = [2, 16] as const;

/**
 * Checks the nix that an installer is going to use.
 * @param installer path of nixos-anywhere
 * @throws UserError for a nix that is missing or too old, where the installer takes the one of this machine
 */
export async function checkNixOf(installer: string, nix: string): Promise<void> {
  if (!usesNixOfMachine(installer)) return;
  const fix = "Install a newer one (https://nixos.org/download), or name it in NIX_BIN of .clawdlets/.env.";
  const refuse = (what: string) => new UserError(`${what} ${fix}`, { exitCode: exitCodes.settings });
  const needed = `${installer} needs nix ${oldest.join(".")} or newer`;
  const path = findOnPath(nix);
  if (path === undefined) throw refuse(`${needed}, and there is no ${nix} on this machine.`);
  const { stdout } = await run(path, ["--version"], { env: cleanEnvironment(), timeoutSeconds: 10 });
  const [, major, minor] = /\b(\d+)\.(\d+)/.exec(stdout) ?? [];
  if (major === undefined) throw refuse(`${needed}, and ${path} does not say its version.`);
  const found = [Number(major), Number(minor)] as const;
  const isOlder = found[0] < oldest[0] || (found[0] === oldest[0] && found[1] < oldest[1]);
  if (isOlder) throw refuse(`${needed}, and ${path} is ${found.join(".")}.`);
}

/** The script itself does. One out of the Nix store brings its own nix, and a stand-in has no use for one. */
function usesNixOfMachine(installer: string): boolean {
  if (realpathSync(installer).startsWith("/nix/store/")) return false;
  return readFileSync(installer, "latin1").includes("extra-experimental-features");
}
