import { ownEnvironment } from "../../base/machine/environment.ts";
import { git } from "../../base/machine/git.ts";
import { shellQuoted } from "../../base/wording.ts";

/**
 * Makes git reach its own servers where the first ssh on PATH leads to one host: nix fetches a flake over ssh with git, and would get
 * the host's key for the git server's. The operator's own `core.sshCommand` still counts.
 * @returns variables for the environment
 */
export async function gitPastWrappers(): Promise<Record<string, string>> {
  const own = (await git("/", "config", "--get", "core.sshCommand")) || "ssh";
  const path = shellQuoted(ownEnvironment()["PATH"] ?? "");
  // Git passes a port only to what it knows as OpenSSH, and does not know a line with a variable.
  return { GIT_SSH_COMMAND: `PATH=${path} ${own}`, GIT_SSH_VARIANT: "ssh" };
}
