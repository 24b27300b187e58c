type Node = { [keyword: string]: unknown };

/** Texts for people, and defaults, which nothing is checked against. */
const forPeople = new Set(["title", "description", "default", "$schema", "examples", "$id"]);
const lists = ["anyOf", "oneOf", "allOf"];
const maps = ["properties", "patternProperties"];
const nodes = ["items", "additionalProperties", "additionalItems", "not", "propertyNames", "if", "then", "else"];

/**
 * OpenClaw's schema in a tenth of its size: without texts for people, limits that any number keeps and names that any text is,
 * and with each part that is there twice in `$defs`. It allows the same, except for the settings of single plugins
 * (`plugins.entries`): their own schemas are a tenth of it, and the package's program checks them when a host is built.
 * @param schema of `openclaw config schema`
 * @returns a file, one definition a line
 */
export function reducedSchema(schema: unknown, version: string): string {
  const plain = simplified(withoutPlugins(schema as Node), []) as Node;
  const counts = new Map<string, number>();
  count(plain, counts);
  const shared = [...counts].filter(([text, times]) => times > 1 && text.length > 20).map(([text]) => text);
  const names = new Map(shared.map((text, index) => [text, index.toString(36)]));
  const defs = Object.fromEntries(shared.map((text) => [names.get(text), referring(JSON.parse(text), names, true)]));
  const rest = referring(plain, names, true) as Node;
  const source = `https://www.npmjs.com/package/openclaw/v/${version}: openclaw config schema, reduced; MIT licence`;
  const head = { of: `OpenClaw ${version}`, source };
  const lines = (values: Node) =>
    Object.entries(values)
      .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
      .join(",\n");
  const { properties, ...others } = rest;
  return `${JSON.stringify(head).slice(0, -1)},"schema":{
"$defs":{
${lines(defs)}
},
${lines(others)},
"properties":{
${lines(properties as Node)}
}}}
`;
}

function withoutPlugins(schema: Node): Node {
  const copy = structuredClone(schema);
  const entries = ["properties", "plugins", "properties", "entries"].reduce((node, key) => node[key] as Node, copy);
  delete entries["properties"];
  return copy;
}

/** Without what says nothing, and with the references of parts to definitions of their own written out. */
function simplified(node: unknown, scope: readonly Node[]): unknown {
  if (typeof node !== "object" || node === null) return node;
  const { $defs, $ref, ...own } = node as Node;
  const inner = $defs === undefined ? scope : [$defs as Node, ...scope];
  if (typeof $ref === "string") {
    const name = $ref.replace("#/$defs/", "");
    const found = inner.findIndex((each) => Object.hasOwn(each, name));
    if (found < 0) throw new Error(`${$ref} is not defined`);
    // Definitions that refer to one another end here only if none refers to itself.
    return simplified(inner[found]?.[name], inner.slice(found));
  }
  const hasDefault = (key: unknown) => "default" in Object((own["properties"] as Node | undefined)?.[String(key)]);
  const entries = Object.entries(own).flatMap(([key, value]): [string, unknown][] => {
    // OpenClaw fills in defaults before it checks what is required.
    if (key === "required") {
      const required = (value as unknown[]).filter((each) => !hasDefault(each));
      return required.length === 0 ? [] : [[key, required]];
    }
    if (forPeople.has(key) || isAlwaysTrue(key, value)) return [];
    if (maps.includes(key)) {
      const parts = Object.entries(value as Node).map(([name, part]) => [name, simplified(part, inner)]);
      return [[key, Object.fromEntries(parts)]];
    }
    if (lists.includes(key) || (key === "items" && Array.isArray(value))) {
      return [[key, (value as unknown[]).map((part) => simplified(part, inner))]];
    }
    return [[key, nodes.includes(key) ? simplified(value, inner) : value]];
  });
  return Object.fromEntries(entries.filter(([key, value]) => !isAlwaysTrue(key, value)));
}

function isAlwaysTrue(key: string, value: unknown): boolean {
  if (key === "maximum") return value === Number.MAX_SAFE_INTEGER;
  if (key === "minimum") return value === Number.MIN_SAFE_INTEGER;
  if (key === "propertyNames") return JSON.stringify(value) === '{"type":"string"}';
  return key === "additionalProperties" && (value === true || JSON.stringify(value) === "{}");
}

const partsOf = (node: Node): Node[] =>
  Object.entries(node).flatMap(([key, value]) => {
    const parts = maps.includes(key)
      ? Object.values(value as Node)
      : [...lists, ...nodes].includes(key)
        ? [value].flat()
        : [];
    return parts.filter((part): part is Node => typeof part === "object" && part !== null);
  });

function count(node: Node, counts: Map<string, number>): void {
  const text = JSON.stringify(node);
  const times = (counts.get(text) ?? 0) + 1;
  counts.set(text, times);
  if (times === 1) for (const part of partsOf(node)) count(part, counts);
}

function referring(node: unknown, names: ReadonlyMap<string, string>, isTop = false): unknown {
  if (typeof node !== "object" || node === null) return node;
  const name = isTop ? undefined : names.get(JSON.stringify(node));
  if (name !== undefined) return { $ref: `#/$defs/${name}` };
  const entries = Object.entries(node).map(([key, value]) => {
    if (maps.includes(key)) {
      const parts = Object.entries(value as Node).map(([each, part]) => [each, referring(part, names)]);
      return [key, Object.fromEntries(parts)];
    }
    if (Array.isArray(value) && [...lists, "items"].includes(key))
      return [key, value.map((part) => referring(part, names))];
    return [key, nodes.includes(key) ? referring(value, names) : value];
  });
  return Object.fromEntries(entries);
}
