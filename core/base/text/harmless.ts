const secret =
  /AGE-SECRET|PRIVATE KEY|\bgh[a-z]_|github_pat_|tskey-|hskey-|token|passw|passphrase|secret|credential|\$[0-9y]\$|:\/\/[^/\s]*@|[\w+=-]{32}/i;

/**
 * A line of another program's output, fit to be shown: no colours, no control characters, at most 160 characters.
 * @returns undefined if it looks like it holds a secret
 */
export function harmless(line: string): string | undefined {
  const text = line
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
    .replace(/\u001b\[[0-9;]*m/g, "")
    .replace(/[\p{Cc}\p{Cf}]/gu, "�")
    .trim()
    .replace(/\/nix\/store\/[a-z0-9]{32}-/g, "/nix/store/…-");
  return secret.test(text) ? undefined : text.slice(0, 160);
}
