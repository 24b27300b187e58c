/** Labels of everything that belongs to a host, so that it can be found again without any state. */
export function labelsOf(host: string): Record<string, string> {
  return { "managed-by": "clawdlets", "clawdlets-host": host };
}

/** What finds everything of one host by its labels. */
export function selectorOf(host: string): string {
  return Object.entries(labelsOf(host))
    .map(([key, value]) => `${key}==${value}`)
    .join(",");
}

/** What finds everything of every host, besides windows. */
export const ourSelector = "managed-by==clawdlets";
