import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import addFormatsModule from "ajv-formats";
import type { Exchange } from "../api/http-server.ts";
import { deviate } from "./deviations.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

// The package says `export default` in its types and is CommonJS at run time.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void;

/** Checks requests and answers against the API description. Schemas are compiled when first met. */
export class ExchangeChecker {
  readonly violations: string[] = [];
  readonly #description: JsonObject;
  readonly #ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
  readonly #compiled = new Map<string, ValidateFunction | null>();

  constructor() {
    addFormats(this.#ajv);
    this.#ajv.addFormat("decimal", /^-?[0-9]+(\.[0-9]+)?$/);
    const file = new URL("./openapi.json", import.meta.url);
    this.#description = deviate(toJsonSchema(JSON.parse(readFileSync(file, "utf8")) as Json) as JsonObject);
  }

  check(exchange: Exchange): void {
    const { method, template, status } = exchange;
    const operation = lookUp(this.#description, ["paths", template, method.toLowerCase()]);
    // What is not in the description has been answered with 404 or 405, in the shape that is checked below.
    if (operation === null) {
      this.#validate(
        "error",
        errorSchema(this.#description),
        exchange.responseBody,
        `${method} ${template} → ${status}`,
      );
      return;
    }
    // A request that was refused is allowed to be wrong: that is what it was refused for.
    if (status < 400 && exchange.requestBody !== undefined) {
      const schema = lookUp(operation, ["requestBody", "content", "application/json", "schema"]);
      this.#validate(`${method} ${template} request`, schema, exchange.requestBody, `${method} ${template} request`);
    }
    const responses = lookUp(operation, ["responses"]) as JsonObject;
    const response = responses[String(status)] ?? responses[`${Math.floor(status / 100)}xx`] ?? null;
    if (response === null) {
      this.violations.push(`${method} ${template}: status ${status} is not described`);
      return;
    }
    const schema = lookUp(response, ["content", "application/json", "schema"]);
    if (schema === null) {
      if (exchange.responseBody !== undefined) this.violations.push(`${method} ${template}: ${status} has a body`);
      return;
    }
    this.#validate(
      `${method} ${template} ${status}`,
      schema,
      exchange.responseBody,
      `${method} ${template} → ${status}`,
    );
  }

  #validate(key: string, schema: Json, value: unknown, what: string): void {
    let validate = this.#compiled.get(key);
    if (validate === undefined) {
      // References point into the whole description, so it goes along under the names that they use.
      const rooted =
        schema === null ? null : { ...(schema as JsonObject), components: this.#description["components"] };
      validate = rooted === null ? null : this.#ajv.compile(rooted);
      this.#compiled.set(key, validate);
    }
    if (validate === null || validate(plain(value))) return;
    for (const error of validate.errors ?? []) {
      this.violations.push(
        `${what}: ${error.instancePath || "/"} ${error.message ?? "is wrong"} ${JSON.stringify(error.params)}`,
      );
    }
  }
}

/** As it goes over the wire: without fields that are undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

function lookUp(from: Json, path: string[]): Json {
  let at: Json = from;
  for (const key of path) {
    if (at === null || typeof at !== "object" || Array.isArray(at)) return null;
    at = at[key] ?? null;
  }
  return at;
}

function errorSchema(description: JsonObject): Json {
  return lookUp(description, ["paths", "/servers", "get", "responses", "4xx", "content", "application/json", "schema"]);
}

/**
 * OpenAPI 3.0 says `nullable: true` where JSON Schema wants null among the types, and puts it beside `allOf`, `$ref` or
 * `enum`, where it must reach over what they say.
 */
function toJsonSchema(node: Json): Json {
  if (Array.isArray(node)) return node.map(toJsonSchema);
  if (node === null || typeof node !== "object") return node;
  const converted: JsonObject = {};
  for (const [key, value] of Object.entries(node)) {
    // Examples are not schemas, and may contain anything.
    if (key !== "example" && key !== "examples") converted[key] = toJsonSchema(value);
  }
  if (converted["nullable"] !== true) return converted;
  const { nullable: _nullable, ...rest } = converted;
  return { anyOf: [{ type: "null" }, rest] };
}
