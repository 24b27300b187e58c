// Where the engine starts the pack. From source in a clone (Node 20 cannot load TypeScript by itself), compiled in the package.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

if (existsSync(join(__dirname, "pack.ts"))) {
  require("tsx/cjs");
  require("./pack.ts");
} else require("../dist/cjs/policy/pack.js");
