// `node --import ./bin/typescript.mjs FILE.ts`: how this repository runs its own scripts.
import { withNothingShared } from "./compiled/tsx.cjs";

await withNothingShared(() => import("tsx"));
