import { existsSync, readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import type { Problem } from "../../../base/problem.ts";
import { parseJson } from "../../../base/text/json.ts";
import type { Layout } from "../../layout.ts";
import { readBotFile } from "../read-file.ts";
import type { Schema } from "./check.ts";

/** What OpenClaw allows in openclaw.json, and which OpenClaw. */
export interface ConfigSchema {
  /** For messages: `OpenClaw 2026.9.6`. */
  of: string;
  schema: Schema;
}

/** In the repository, and in the published package, where a fifth of it is enough. */
const places = ["./openclaw.json", "./openclaw.json.br"];

let pinned: ConfigSchema | undefined;

/** Of the version that we test with; scripts/openclaw-schema.ts makes it. Read when it is asked for, once. */
export function pinnedSchema(): ConfigSchema {
  pinned ??= readPinned();
  return pinned;
}

function readPinned(): ConfigSchema {
  const place = places.map((each) => new URL(each, import.meta.url)).find((url) => existsSync(url));
  if (!place) throw new Error("OpenClaw's schema is missing from this installation of clawdlets");
  const bytes = readFileSync(place);
  return JSON.parse((place.pathname.endsWith(".br") ? brotliDecompressSync(bytes) : bytes).toString());
}

/** An operator's own, for another version: the output of `openclaw config schema`. */
export const ownSchemaFile = "bots/openclaw.schema.json";

/** The output has 2.4 MB, most of it descriptions. */
const maxBytes = 8 * 1024 * 1024;

/** The schema that a project's bots are checked against: its own, or ours. */
export function readSchema(layout: Pick<Layout, "root">): { value: ConfigSchema; problems: Problem[] } {
  const { text, problems } = readBotFile(layout, ownSchemaFile, maxBytes);
  if (text === undefined) return { value: pinnedSchema(), problems };
  const schema = parseJson(text);
  if (typeof schema === "object" && schema !== null && Object.hasOwn(schema, "properties")) {
    return { value: { of: `the schema in ${ownSchemaFile}`, schema: schema as Schema }, problems };
  }
  const problem = "is not a JSON schema with properties.";
  const fix = `Write it with your OpenClaw: openclaw config schema >${ownSchemaFile}`;
  return { value: pinnedSchema(), problems: [{ code: "file-invalid", subject: ownSchemaFile, problem, fix }] };
}
