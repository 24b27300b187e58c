import { didYouMean } from "../../../base/nearest.ts";

type Keywords = { readonly [keyword: string]: unknown };

/** `integer` counts as a number in the schema's own way. */
export function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

const words: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  integer: "a whole number",
  null: "null",
  number: "a number",
  object: "an object",
  string: "text",
};

/** Filled in when the bot starts, so that only its type is known. */
const isReference = (value: unknown) => typeof value === "string" && value.includes("${");

/** Whether a value's type, and its own size or form, are allowed. What is inside of it is not checked here. */
export function fits(schema: Keywords, value: unknown): boolean {
  return isOfType(schema, value) && isAmong(schema, value) && isWithin(schema, value);
}

function isOfType({ type }: Keywords, value: unknown): boolean {
  if (type === undefined) return true;
  const isA = (each: unknown) => each === typeOf(value) || (each === "integer" && Number.isInteger(value));
  return Array.isArray(type) ? type.some(isA) : isA(type);
}

function isAmong(schema: Keywords, value: unknown): boolean {
  const choices = choicesOf(schema);
  return (
    choices === undefined ||
    isReference(value) ||
    choices.some((each) => JSON.stringify(each) === JSON.stringify(value))
  );
}

function choicesOf(schema: Keywords): readonly unknown[] | undefined {
  if (Array.isArray(schema["enum"])) return schema["enum"];
  return "const" in schema ? [schema["const"]] : undefined;
}

const limits: readonly [string, (value: number, limit: number) => boolean, string][] = [
  ["minimum", (value, limit) => value >= limit, "at least"],
  ["exclusiveMinimum", (value, limit) => value > limit, "more than"],
  ["maximum", (value, limit) => value <= limit, "at most"],
  ["exclusiveMaximum", (value, limit) => value < limit, "less than"],
];
const sizes: readonly [string, (value: number, limit: number) => boolean, string, string][] = [
  ["minLength", (value, limit) => value >= limit, "string", "characters or more"],
  ["maxLength", (value, limit) => value <= limit, "string", "characters or fewer"],
  ["minItems", (value, limit) => value >= limit, "array", "entries or more"],
  ["maxItems", (value, limit) => value <= limit, "array", "entries or fewer"],
  ["minProperties", (value, limit) => value >= limit, "object", "keys or more"],
  ["maxProperties", (value, limit) => value <= limit, "object", "keys or fewer"],
];

function isWithin(schema: Keywords, value: unknown): boolean {
  if (isReference(value)) return true;
  if (typeof value === "number") {
    return limits.every(([keyword, isIn]) => typeof schema[keyword] !== "number" || isIn(value, schema[keyword]));
  }
  const { pattern } = schema;
  if (typeof value === "string" && typeof pattern === "string" && !new RegExp(pattern, "u").test(value)) return false;
  const size = typeof value === "string" ? [...value].length : Object.keys(Object(value)).length;
  return sizes.every(
    ([keyword, isIn, type]) =>
      type !== typeOf(value) || typeof schema[keyword] !== "number" || isIn(size, schema[keyword]),
  );
}

/** What is allowed in a value's place, as the end of a sentence. */
export function allowedBy(schema: Keywords, value: unknown): string {
  const forms = formsOf(schema);
  const choices = forms.flatMap((form) => choicesOf(form) ?? []);
  const texts = choices.filter((each): each is string => typeof each === "string");
  const meant = typeof value === "string" ? didYouMean(value, texts) : "";
  const others = forms.filter((form) => choicesOf(form) === undefined).map(formOf);
  const allowed = [...new Set([...choices.map((each) => JSON.stringify(each)), ...others])];
  return `is not allowed${meant}; allowed: ${allowed.slice(0, 12).join(", ")}${allowed.length > 12 ? " …" : ""}.`;
}

const formsOf = (schema: Keywords): Keywords[] =>
  ["anyOf", "oneOf"]
    .flatMap((keyword) => (schema[keyword] ?? []) as Keywords[])
    .flatMap(formsOf)
    .concat(schema["anyOf"] === undefined && schema["oneOf"] === undefined ? [schema] : []);

function formOf(schema: Keywords): string {
  const { type, pattern } = schema;
  const kinds = [type].flat().map((each) => words[String(each)] ?? "another form");
  const bounds = [...limits, ...sizes.map(([keyword, isIn, , unit]) => [keyword, isIn, unit] as const)].flatMap(
    ([keyword, , unit]) => {
      const limit = schema[keyword];
      if (typeof limit !== "number") return [];
      return [unit.includes(" or ") ? `${limit} ${unit}` : `${unit} ${limit}`];
    },
  );
  const form = typeof pattern === "string" && pattern.length < 60 ? [`matching ${pattern}`] : [];
  return [kinds.join(" or "), ...bounds, ...form].join(", ");
}
