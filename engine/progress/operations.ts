/**
 * Pulumi's operations as words. `verb` is what will be done, being done and was done; `rest` follows the resource. `quiet`: costs
 * nothing and takes no time worth watching, so a run does not show it.
 */
interface Words {
  verb: readonly [plan: string, doing: string, done: string];
  rest?: string;
  quiet?: true;
}

const create = ["create", "creating", "created"] as const;
const read = ["read", "reading", "read"] as const;
const importing = ["import", "importing", "imported"] as const;
const stopReading = ["stop reading", "no longer reading", "no longer read"] as const;

const operations: Readonly<Record<string, Words>> = {
  create: { verb: create },
  update: { verb: ["update", "updating", "updated"] },
  delete: { verb: ["delete", "deleting", "deleted"] },
  replace: { verb: ["replace", "replacing", "replaced"] },
  read: { verb: read, quiet: true },
  refresh: { verb: ["refresh", "refreshing", "refreshed"], quiet: true },
  import: { verb: importing },
  discard: { verb: stopReading, quiet: true },
  "create-replacement": { verb: create, rest: "as a replacement" },
  "import-replacement": { verb: importing, rest: "as a replacement" },
  "read-replacement": { verb: read, rest: "as a replacement", quiet: true },
  "delete-replaced": { verb: ["delete", "deleting", "deleted"], rest: "after replacement" },
  "discard-replaced": { verb: stopReading, rest: "after replacement", quiet: true },
  "remove-pending-replace": { verb: ["remove", "removing", "removed"], rest: "before replacement", quiet: true },
};

/**
 * An operation on one resource: `["creating Server web-1", "created Server web-1"]`.
 * @returns undefined for an operation that a run does not show
 */
export function operationTexts(op: string, resource: string): [doing: string, done: string] | undefined {
  const words = operations[op];
  if (!words || words.quiet) return undefined;
  const text = (verb: string) => [verb, resource, words.rest].filter((part) => part !== undefined).join(" ");
  return [text(words.verb[1]), text(words.verb[2])];
}

/** `2 to create, 1 to update`, or undefined if nothing changes. @param changes number of resources by operation */
export function changedText(changes: Readonly<Record<string, number>>): string | undefined {
  return listed(changes, (op) => `to ${counted(op, 0)}`);
}

/** `done: 12 created`, or that there was nothing to do. @param changes number of resources by operation */
export function doneText(changes: Readonly<Record<string, number>>): string {
  const done = listed(changes, (op) => (operations[op] ? counted(op, 2) : `by ${op}`));
  return done === undefined ? "nothing to do: everything is as declared" : `done: ${done}`;
}

function counted(op: string, form: 0 | 2): string {
  const words = operations[op];
  return [words?.verb[form] ?? op, words?.rest].filter((part) => part !== undefined).join(" ");
}

function listed(changes: Readonly<Record<string, number>>, wordsOf: (op: string) => string): string | undefined {
  const changed = Object.entries(changes).filter(([op]) => op !== "same");
  return changed.length === 0 ? undefined : changed.map(([op, count]) => `${count} ${wordsOf(op)}`).join(", ");
}
