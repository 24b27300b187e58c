#!/usr/bin/env node
// Loads the commands put together (compiled/fresh.mjs), or the TypeScript itself where that cannot be kept anywhere.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "./compiled/fresh.mjs";
import "./compiled/late-modules.cjs";

try {
  const folder = await build();
  if (folder === undefined) (await import("tsx/esm/api")).register();
  await import(
    folder === undefined
      ? new URL("../cli/main.ts", import.meta.url).href
      : pathToFileURL(join(folder, "cli", "main.mjs")).href
  );
} catch (error) {
  if (error?.name !== "CompileError") throw error;
  process.stderr.write(`clawdlets: ${error.message}\n`);
  process.exitCode = 1;
}
