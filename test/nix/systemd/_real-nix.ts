import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { path } from "../../_debian.ts";
import { repository } from "../../_repository.ts";

const common = "build-users-group =\nsubstituters =\nsandbox = false\nexperimental-features = nix-command flakes\n";

/** nix.conf of a host. @param keys that sign systems for it */
export const nixConf = (keys: readonly string[]) => `${common}trusted-public-keys = ${keys.join(" ")}\n`;

/** Adds a folder to the store on a disk that is not running. @returns its store path */
export async function addToStore(disk: string, folder: string): Promise<string> {
  mkdirSync(disk, { recursive: true });
  const env = { PATH: path, NIX_REMOTE: `local?root=${disk}`, NIX_CONFIG: common };
  return (await execa("nix-store", ["--add", folder], { env, extendEnv: false })).stdout.trim();
}

/** nix/host/receive-system.sh, copied to a host's folder, with what its wrapper tells it. */
export function receiverIn(folder: string): string {
  const copy = join(folder, "receive-system.sh");
  copyFileSync(join(repository, "nix/host/receive-system.sh"), copy);
  return `#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin RECEIVER=daemon\nexec bash '${copy}' "$@"\n`;
}
