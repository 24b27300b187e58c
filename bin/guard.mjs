// The guard of a window, started by core/host/window/guard.ts. Its standard error is its log.
import { moduleOf } from "./compiled/module-of.mjs";

await import(await moduleOf("guard", "core/host/window/guard-main.ts"));
