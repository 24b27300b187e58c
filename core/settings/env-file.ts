import { relative, resolve } from "node:path";
import { parseEnv } from "node:util";
import type { Problem } from "../errors.ts";
import type { Layout } from "../local/layout.ts";
import { readPrivateFile } from "../local/private-files.ts";
import { didYouMean } from "./nearest.ts";

/**
 * What `.clawdlets/.env` may say. The first three are upstream's; the others point at stand-ins for the real
 * Hetzner, installer and tailnet, and are left out where the real ones are meant.
 */
export const envKeys = [
  "HCLOUD_TOKEN",
  "GITHUB_TOKEN",
  "NIX_BIN",
  "HCLOUD_ENDPOINT",
  "CLAWDLETS_SSH_PORT",
  "CLAWDLETS_NIXOS_ANYWHERE",
  "CLAWDLETS_TAILSCALE",
] as const;

export type LocalEnv = Partial<Record<(typeof envKeys)[number], string>>;

/**
 * The tokens: the process's own environment first, then the file, as upstream does.
 * @param environment usually `process.env`
 * @throws UserError when the file is readable by others
 */
export function readEnvFile(
  layout: Layout,
  environment: Readonly<Record<string, string | undefined>>,
  envFile = ".env",
): { value: LocalEnv; where: string; problems: Problem[] } {
  const path = resolve(layout.dir, envFile);
  const where = relative(layout.root, path);
  const file = parseEnv(readPrivateFile(path) ?? "");
  const problems = Object.keys(file)
    .filter((key) => !envKeys.some((known) => known === key))
    .map((key) => ({
      where,
      setting: key,
      message: `unknown variable${didYouMean(key, envKeys)}. Remove it or mend its name.`,
    }));
  const value: LocalEnv = {};
  for (const key of envKeys) {
    const found = (environment[key] ?? file[key])?.trim();
    if (found) value[key] = found;
  }
  return { value, where, problems };
}

/** Hetzner's tokens have 64 characters; the provider refuses any other length (seen in kube-hetzner PR 2127). */
export function tokenProblem(token: string | undefined, where: string): Problem | undefined {
  const setting = "HCLOUD_TOKEN";
  const next = "Make one with read and write access in the Hetzner console (project, Security, API tokens)";
  if (!token) return { where, setting, message: `missing, in the environment too. ${next} and put it there.` };
  if (!/^[A-Za-z0-9]{64}$/.test(token)) {
    // The value itself is not shown: a mistyped token is still most of a token.
    return { where, setting, message: `has ${token.length} characters; allowed: 64 letters and digits. ${next}.` };
  }
  return undefined;
}
