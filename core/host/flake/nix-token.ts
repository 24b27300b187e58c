import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Passes GITHUB_TOKEN to nix only, through a file that the environment names. Otherwise ssh, tar, nixos-anywhere and everything
 * that nix starts would have the token in their environment.
 * @param folder private, with no spaces in its path, because nix splits the line at spaces
 * @returns environment variables; none without a token
 */
export function nixTokenIn(folder: string, githubToken: string | undefined): Record<string, string> {
  if (githubToken === undefined) return {};
  const file = join(folder, "nix.conf");
  writeFileSync(file, `access-tokens = github.com=${githubToken}\n`, { mode: 0o600 });
  return { NIX_CONFIG: `include ${file}` };
}

/** The same for one run, in a folder that is deleted afterwards. */
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
