// Entry point of the policy pack. Runs from source in a clone (via tsx, as Node 20 cannot load TypeScript), compiled in the package.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

require("../bin/compiled/plain-errors.cjs");
require("../bin/compiled/own-user.cjs").guard();

if (existsSync(join(__dirname, "pack.ts"))) {
  require("../bin/compiled/tsx.cjs").withNothingShared(() => require("tsx/cjs"));
  require("./pack.ts");
} else require("../dist/policy/pack.js");
