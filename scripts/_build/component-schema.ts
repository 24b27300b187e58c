/** The schema by which other languages know our components, from the declarations in provider/components.ts. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Analyzer as AnalyzerClass } from "@pulumi/pulumi/provider/experimental/analyzer.js";
import type { generateSchema as Generate } from "@pulumi/pulumi/provider/experimental/schema.js";

/** The version of the schema's package, and of every SDK that is generated from it. */
const name = "clawdlets";
const components = ["Host", "HostFirewall", "NixosInstall", "Lockdown"];

interface Property {
  type?: string;
  optional?: boolean;
  plain?: boolean;
  description?: string;
  $ref?: string;
  items?: Property;
}

/** @returns the text of provider/schema.json. Takes some seconds: Pulumi's analyzer runs the TypeScript compiler. */
export function componentSchema(root: string): string {
  // Not exported by @pulumi/pulumi's types for ES modules; the classes are what `componentProviderHost` itself uses.
  const require = createRequire(join(root, "package.json"));
  const { Analyzer } = require("@pulumi/pulumi/provider/experimental/analyzer") as { Analyzer: typeof AnalyzerClass };
  const { generateSchema } = require("@pulumi/pulumi/provider/experimental/schema") as {
    generateSchema: typeof Generate;
  };
  const { version, description, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const entry = { name, exports: "./provider/components.ts" };
  const analyzed = new Analyzer(root, name, entry as never, new Set(components)).analyze();
  const schema = generateSchema(
    name,
    version,
    description,
    analyzed.components,
    analyzed.typeDefinitions,
    analyzed.dependencies,
  );
  const tidied = JSON.parse(JSON.stringify({ ...schema, license }), (key, value) => tidy(key, value));
  return `${JSON.stringify(tidied, null, 2)}\n`;
}

/** The analyzer marks optional inputs in its own way, keeps the line breaks of comments, and knows no whole numbers. */
function tidy(key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { optional, ...property } = value as Property;
  // An input may itself be called "description".
  if (typeof property.description === "string") property.description = property.description.replaceAll("\n", " ");
  if (property.type === "number" && /^(.*Id|reinstall)$/.test(key)) property.type = "integer";
  return optional === undefined || typeof optional === "boolean" ? property : value;
}
