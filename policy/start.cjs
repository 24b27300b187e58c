// Where the engine starts the pack. Not TypeScript, since Node 20 cannot load TypeScript by itself.
require("tsx/cjs");
require("./pack.ts");
