import { writeFileSync } from "node:fs";
import { json } from "node:stream/consumers";
import { reducedSchema } from "./_build/openclaw-schema.ts";

/** Writes the schema that `bot lint` checks against. Standard input: `openclaw config schema`. Argument: its version. */
const [version] = process.argv.slice(2);
if (version === undefined || !/^\d{4}\.\d+\.\d+/.test(version)) {
  process.stderr.write("Pass the version: openclaw config schema | npm run openclaw-schema 2026.9.6\n");
  process.exit(2);
}
const target = new URL("../core/project/bots/schema/openclaw.json", import.meta.url);
writeFileSync(target, reducedSchema(await json(process.stdin), version));
