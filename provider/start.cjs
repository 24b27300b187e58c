// Entry point of the component package, for programs in other languages. Runs from source in a clone (via tsx, as Node 20 cannot load
// TypeScript), compiled in the package. Node's own `import` and `require` of the package do not come here: they use "exports".
const { existsSync } = require("node:fs");
const { join } = require("node:path");

require("../bin/compiled/plain-errors.cjs");
require("../bin/compiled/own-user.cjs").guard();

const isClone = existsSync(join(__dirname, "main.ts"));
void (isClone ? import("../bin/typescript.mjs").then(() => import("./main.ts")) : import("../dist/provider/main.js"));
