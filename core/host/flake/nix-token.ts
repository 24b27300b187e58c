import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Tells nix of GITHUB_TOKEN, and nobody else: nix reads it from a file, which its environment only names. What runs beside nix or
 * is started by it, such as ssh, tar and nixos-anywhere, would otherwise have the token in its own environment.
 * @param folder a private one whose path has no blanks, since nix splits the line at them
 * @returns variables for the environment, none without a token
 */
export function nixTokenIn(folder: string, githubToken: string | undefined): Record<string, string> {
  if (githubToken === undefined) return {};
  const file = join(folder, "nix.conf");
  writeFileSync(file, `access-tokens = github.com=${githubToken}\n`, { mode: 0o600 });
  return { NIX_CONFIG: `include ${file}` };
}

/** The same for one run, in a folder that is gone afterwards. */
export async function withNixToken<T>(
  githubToken: string | undefined,
  work: (variables: Record<string, string>) => Promise<T>,
): Promise<T> {
  if (githubToken === undefined) return work({});
  const folder = mkdtempSync(join(/\s/.test(tmpdir()) ? "/tmp" : tmpdir(), "clawdlets-nix-"));
  try {
    return await work(nixTokenIn(folder, githubToken));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
