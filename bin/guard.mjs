// A guard, started by core/host/window/guard.ts. Its standard error is its log.
import { moduleOf } from "./compiled/module-of.mjs";

const what = process.argv[2];
await import(
  await moduleOf("guard", what === "image" ? "core/tasks/images/bake-guard-main.ts" : "core/host/window/guard-main.ts")
);
