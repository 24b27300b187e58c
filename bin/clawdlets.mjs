#!/usr/bin/env node
// In a clone the commands are put together from the sources (compiled/fresh.mjs), or loaded as TypeScript where that cannot be
// kept anywhere; the package has them compiled.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "./compiled/fresh.mjs";
import { mapStacksLate } from "./compiled/late-modules.cjs";

const source = new URL("../cli/main.ts", import.meta.url);

try {
  await import((await commands()).href);
} catch (error) {
  if (error?.name !== "CompileError") throw error;
  process.stderr.write(`clawdlets: ${error.message}\n`);
  process.exitCode = 1;
}

async function commands() {
  if (!existsSync(source)) return new URL("../dist/cli/main.js", import.meta.url);
  const folder = await build("cli");
  if (folder !== undefined) {
    mapStacksLate();
    return pathToFileURL(join(folder, "main.mjs"));
  }
  (await import("tsx/esm/api")).register();
  return source;
}
