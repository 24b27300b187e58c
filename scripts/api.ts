/** `npm run api`: generates docs/api.md. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiReference, projectRoot } from "./_build/api-reference.ts";

writeFileSync(join(projectRoot, "docs", "api.md"), apiReference(projectRoot));
