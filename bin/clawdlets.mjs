#!/usr/bin/env node
import { moduleOf } from "./compiled/module-of.mjs";

try {
  await import(await moduleOf("cli", "cli/main.ts"));
} catch (error) {
  if (error?.name !== "CompileError") throw error;
  process.stderr.write(`clawdlets: ${error.message}\n`);
  process.exitCode = 1;
}
