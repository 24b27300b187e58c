/** Pulumi's operations as words: what will be done, and what was done. */
const words: Readonly<Record<string, readonly [string, string]>> = {
  create: ["create", "created"],
  update: ["update", "updated"],
  delete: ["delete", "deleted"],
  replace: ["replace", "replaced"],
  read: ["read", "read"],
  refresh: ["refresh", "refreshed"],
  import: ["import", "imported"],
  discard: ["stop reading", "no longer read"],
  "create-replacement": ["create as a replacement", "created as a replacement"],
  "import-replacement": ["import as a replacement", "imported as a replacement"],
  "read-replacement": ["read as a replacement", "read as a replacement"],
  "delete-replaced": ["delete after replacement", "deleted after replacement"],
  "discard-replaced": ["stop reading after replacement", "no longer read after replacement"],
  "remove-pending-replace": ["remove before replacement", "removed before replacement"],
};

/** `2 to create, 1 to update`, or undefined if nothing changes. @param changes number of resources by operation */
export function changedText(changes: Readonly<Record<string, number>>): string | undefined {
  return listed(changes, (op) => `to ${words[op]?.[0] ?? op}`);
}

/** `done: 12 created`, or that there was nothing to do. @param changes number of resources by operation */
export function doneText(changes: Readonly<Record<string, number>>): string {
  const done = listed(changes, (op) => words[op]?.[1] ?? `by ${op}`);
  return done === undefined ? "nothing to do, everything is as declared" : `done: ${done}`;
}

function listed(changes: Readonly<Record<string, number>>, wordsOf: (op: string) => string): string | undefined {
  const changed = Object.entries(changes).filter(([op]) => op !== "same");
  return changed.length === 0 ? undefined : changed.map(([op, count]) => `${count} ${wordsOf(op)}`).join(", ");
}
