#!/usr/bin/env node
// The one entry point that is not TypeScript: Node 20 cannot load TypeScript by itself.
import { register } from "tsx/esm/api";

register();
await import(new URL("../cli/main.ts", import.meta.url).href);
