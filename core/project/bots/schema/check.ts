import { didYouMean } from "../../../base/nearest.ts";
import { allowedBy, fits } from "./values.ts";

/** A JSON schema of draft 7, as `openclaw config schema` prints it. */
export type Schema = boolean | { readonly [keyword: string]: unknown };

/** Something in a configuration that OpenClaw refuses. */
export interface Issue {
  /** The keys that lead to it. */
  path: readonly string[];
  code: "unknown-setting" | "missing-setting" | "invalid-value";
  /** The end of a sentence about the option. Never quotes a value: it could be a secret. */
  problem: string;
}

/** A schema, and the `$defs` that its references may name: those of the nearest schema around them come first. */
interface Scoped {
  schema: Schema;
  defs: readonly unknown[];
}

/** Everything in a value that a schema does not allow, in the value's order. */
export function issuesIn(schema: Schema, value: unknown): Issue[] {
  return check({ schema, defs: [] }, value, []);
}

function check(scoped: Scoped, value: unknown, path: readonly string[]): Issue[] {
  const { schema, defs } = resolved(scoped);
  const wrong = (problem: string): Issue[] => [{ path, code: "invalid-value", problem }];
  if (schema === true) return [];
  if (schema === false) return wrong("is not allowed here.");
  const at = (part: unknown): Scoped => ({ schema: part as Schema, defs });
  const below = (part: unknown, of: unknown = value) => check(at(part), of, path);
  const allows = (part: unknown, of: unknown = value) => below(part, of).length === 0;

  for (const keyword of ["anyOf", "oneOf"]) {
    const branches = schema[keyword];
    if (!Array.isArray(branches)) continue;
    const fitting = branches.filter((branch) => allows(branch));
    if (fitting.length > 1 && keyword === "oneOf") return wrong("fits more than one of the forms that are allowed.");
    if (fitting.length === 0) return closest(branches.map(at), value, path);
  }
  if (!fits(schema, value)) return wrong(allowedBy(schema, value));
  const issues: Issue[] = [];
  for (const part of listOf(schema["allOf"])) issues.push(...below(part));
  if (schema["not"] !== undefined && allows(schema["not"])) issues.push(...wrong("is not allowed in this form."));
  if (schema["if"] !== undefined && schema["then"] !== undefined && allows(schema["if"])) {
    issues.push(...below(schema["then"]));
  }
  if (Array.isArray(value)) issues.push(...checkItems(schema, value, path, at));
  else if (typeof value === "object" && value !== null) issues.push(...checkKeys(schema, value, path, at));
  return issues;
}

/** The problems with the form that was probably meant: the right kind of value, with the fewest problems inside. */
function closest(branches: readonly Scoped[], value: unknown, path: readonly string[]): Issue[] {
  const inside = branches
    .map((branch) => check(branch, value, path))
    .filter((issues) => issues.every((issue) => issue.path.length > path.length));
  const [best] = inside.sort((a, b) => a.length - b.length);
  if (best) return best;
  const forms = branches.map((branch) => resolved(branch).schema);
  return [{ path, code: "invalid-value", problem: allowedBy({ anyOf: forms }, value) }];
}

function checkItems(
  schema: { readonly [keyword: string]: unknown },
  value: readonly unknown[],
  path: readonly string[],
  at: (part: unknown) => Scoped,
): Issue[] {
  const { items, additionalItems } = schema;
  return value.flatMap((item, index) => {
    const part = Array.isArray(items) ? (items[index] ?? additionalItems) : items;
    return part === undefined ? [] : check(at(part), item, [...path, String(index)]);
  });
}

function checkKeys(
  schema: { readonly [keyword: string]: unknown },
  value: object,
  path: readonly string[],
  at: (part: unknown) => Scoped,
): Issue[] {
  const known = (schema["properties"] ?? {}) as Record<string, unknown>;
  const { additionalProperties: others, propertyNames: names } = schema;
  // OpenClaw fills in defaults before it checks what is required.
  const isThere = (key: string) => Object.hasOwn(value, key) || "default" in Object(known[key]);
  const issues = listOf(schema["required"]).flatMap((key): Issue[] =>
    isThere(String(key)) ? [] : [{ path: [...path, String(key)], code: "missing-setting", problem: "is required." }],
  );
  for (const [key, child] of Object.entries(value)) {
    const below = [...path, key];
    if (Object.hasOwn(known, key)) issues.push(...check(at(known[key]), child, below));
    else if (others === false) {
      const meant = didYouMean(key, Object.keys(known));
      const problem = Object.keys(known).length === 0 ? "is not an option: allowed: {}." : `is not an option${meant}.`;
      issues.push({ path: below, code: "unknown-setting", problem });
    } else {
      const [wrongName] = names === undefined ? [] : check(at(names), key, below);
      if (wrongName) issues.push({ ...wrongName, problem: "is not a name that is allowed here." });
      if (others !== undefined) issues.push(...check(at(others), child, below));
    }
  }
  return issues;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Follows references, and adds a schema's own definitions. */
function resolved({ schema, defs }: Scoped): Scoped {
  let current = { schema, defs };
  for (let steps = 0; steps < 20; steps += 1) {
    if (typeof current.schema === "boolean") return current;
    const { $defs: own, $ref: ref } = current.schema;
    if (own !== undefined) current = { ...current, defs: [own, ...current.defs] };
    if (typeof ref !== "string") return current;
    const name = ref.replace(/^#\/(?:\$defs|definitions)\//, "");
    const found = current.defs.find((each) => Object.hasOwn(each as object, name)) as
      | Record<string, Schema>
      | undefined;
    if (!found) return { schema: true, defs: [] };
    current = { schema: found[name] ?? true, defs: current.defs };
  }
  return { schema: true, defs: [] };
}
