/** `npm run schema`: generates provider/schema.json. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./_build/api-reference.ts";
import { componentSchema } from "./_build/component-schema.ts";

writeFileSync(join(projectRoot, "provider", "schema.json"), componentSchema(projectRoot));
