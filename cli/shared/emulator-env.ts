import { join, resolve } from "node:path";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { readPrivateFile, writePrivateFile } from "../../core/base/machine/private-files.ts";
import { parseEnvFile } from "../../core/project/settings/env-file.ts";
import { packageRoot } from "../../engine/environment.ts";

interface Reached {
  endpoint: string;
  token: string;
  sshPort: number;
}

/** What `.clawdlets/.env` says to have the emulator for Hetzner, and its stand-ins for the installer and the tailnet. */
function variablesOf({ endpoint, token, sshPort }: Reached): Record<string, string> {
  const standIns = join(packageRoot, "emulator", "stand-ins");
  return {
    HCLOUD_TOKEN: token,
    HCLOUD_ENDPOINT: endpoint,
    CLAWDLETS_SSH_PORT: String(sshPort),
    CLAWDLETS_NIXOS_ANYWHERE: join(standIns, "nixos-anywhere"),
    CLAWDLETS_TAILSCALE: join(standIns, "tailscale"),
  };
}

/**
 * Points a `.env` at the emulator, and keeps every other line of it.
 * @throws UserError for one that has a real account's token: it would be lost
 */
export async function pointAt(file: string, reached: Reached): Promise<void> {
  const before = readPrivateFile(file) ?? "";
  refuseRealAccount(file);
  const variables = variablesOf(reached);
  const isOurs = (line: string) => Object.keys(variables).some((name) => line.startsWith(`${name}=`));
  const kept = before.split("\n").filter((line) => line !== "" && !isOurs(line) && line !== note);
  const lines = [...kept, note, ...Object.entries(variables).map(([name, value]) => `${name}="${value}"`)];
  await writePrivateFile(resolve(file), `${lines.join("\n")}\n`);
}

const note = "# Points at the emulator; rewritten at each start.";

/** @throws UserError where the file has a token and names no emulator that it is for */
export function refuseRealAccount(file: string): void {
  const { value } = parseEnvFile(readPrivateFile(file) ?? "", file);
  if (value.HCLOUD_TOKEN === undefined || value.HCLOUD_ENDPOINT !== undefined) return;
  throw new UserError(
    {
      subject: "",
      problem: `${file} has the token of a real account, which would be lost.`,
      fix: "Use another project for the emulator, or take HCLOUD_TOKEN out of it.",
    },
    { exitCode: exitCodes.usage },
  );
}
