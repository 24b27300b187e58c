// @ts-check
// Pulumi.yaml makes Node load this before @pulumi/pulumi: it replaces our index.ts with the bundled program, a single JavaScript file.
// Any other index.ts is loaded as TypeScript by tsx.
import { existsSync, realpathSync } from "node:fs";
import { register } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import "./compiled/plain-errors.cjs";
import { buildIfStale } from "./compiled/build-if-stale.mjs";
import { root } from "./compiled/fresh.mjs";
import { mapStacksOf } from "./compiled/late-modules.cjs";
import "./compiled/own-user.cjs";
import "./compiled/source-positions.cjs";
import { withNothingShared } from "./compiled/tsx.cjs";

const asked = resolve("index.ts");
const own = join(root, "index.ts");
const isOwn = existsSync(asked) && realpathSync(asked) === own;
const folder = isOwn ? await built() : undefined;
if (folder === undefined) {
  await withNothingShared(() => import("tsx"));
} else {
  const file = join(folder, "program.mjs");
  mapStacksOf(pathToFileURL(own).href, `${file}.map`);
  register("./compiled/loader.mjs", import.meta.url, { data: { url: pathToFileURL(own).href, file } });
}

/** The engine shows only this reason if a program does not start. */
async function built() {
  try {
    return await buildIfStale("program");
  } catch (error) {
    if (!(error instanceof Error && error.name === "CompileError")) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
