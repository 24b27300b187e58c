/** Labels of everything that belongs to a host, so that it can be found again without any state. */
export function labelsOf(host: string): Record<string, string> {
  return { "managed-by": "clawdlets", "clawdlets-host": host };
}
