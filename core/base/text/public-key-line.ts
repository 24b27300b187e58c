/** An OpenSSH public key without its comment: `ssh-ed25519 AAAA…`. */
export function withoutComment(line: string): string {
  return line.trim().split(/\s+/).slice(0, 2).join(" ");
}
