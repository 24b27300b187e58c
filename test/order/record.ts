/**
 * Writes durations.json and seed.json from the timings of a whole run that passed: `npm test`, then
 * `node --import ./bin/typescript.mjs test/order/record.ts`
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../_repository.ts";
import { durationsFile } from "./longest-first.ts";

const { files, seed } = JSON.parse(readFileSync(join(repository, "test-timings.json"), "utf8")) as {
  files: Record<string, number>;
  seed: number;
};
const table = Object.entries(files)
  .filter(([file]) => !file.startsWith("test/unit/"))
  .map(([file, seconds]) => [file, Math.round(seconds)] as const)
  .sort(([a], [b]) => (a < b ? -1 : 1));
writeFileSync(durationsFile, `${JSON.stringify(Object.fromEntries(table), null, 2)}\n`);
writeFileSync(join(import.meta.dirname, "seed.json"), `${JSON.stringify({ seed })}\n`);
