import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { resourceTypes } from "../core/base/hetzner/resource-types.ts";

/**
 * What the first `up` after an adoption changes in place, and is meant to. The last three of the server are how the provider goes
 * about later changes; Hetzner knows nothing of them, so that nothing is imported.
 */
const meant: Readonly<Record<string, RegExp>> = {
  [resourceTypes.server]:
    /^(labels|deleteProtection|rebuildProtection|ignoreRemoteFirewallIds|keepDisk|shutdownBeforeDeletion)\b/,
  [resourceTypes.firewall]: /^(labels|rules)\b/,
};

/**
 * Collects from a preview what else the next `up` would do to the server and the firewall that were taken over. The count of
 * updates says nothing of it: one that switches backups off deletes them all (Hetzner Cloud API, `disable_backup`).
 */
export class AdoptedChanges {
  readonly #lost = new Set<string>();
  readonly #unmeant = new Set<string>();

  /** What is replaced or deleted, e.g. `replace web-1-server`. */
  get lost(): string[] {
    return [...this.#lost];
  }

  /** What is changed in place beyond what is meant, e.g. `backups of web-1-server`. */
  get unmeant(): string[] {
    return [...this.#unmeant];
  }

  readonly watch = ({ resourcePreEvent }: EngineEvent): void => {
    if (resourcePreEvent === undefined) return;
    const { op, urn, type, detailedDiff, diffs } = resourcePreEvent.metadata;
    const name = urn.split("::").at(-1) ?? urn;
    if (/replace|delete|discard/.test(op)) this.#lost.add(`${op} ${name}`);
    const expected = meant[type];
    if (op !== "update" || expected === undefined) return;
    const paths = Object.keys(detailedDiff ?? {});
    for (const path of paths.length > 0 ? paths : (diffs ?? [])) {
      if (!expected.test(path)) this.#unmeant.add(`${path} of ${name}`);
    }
  };
}
