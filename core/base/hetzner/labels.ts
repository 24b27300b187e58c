/** Labels on every resource of a host, so that it can be found without any state. */
export function labelsOf(host: string): Record<string, string> {
  return { "managed-by": "clawdlets", "clawdlets-host": host };
}

/** Label selector for every resource of one host. */
export function selectorOf(host: string): string {
  return Object.entries(labelsOf(host))
    .map(([key, value]) => `${key}==${value}`)
    .join(",");
}

/** Label selector for every resource of every host, except windows. */
export const ourSelector = "managed-by==clawdlets";
