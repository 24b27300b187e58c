// @ts-check
// The engine's state keeps for each resource where in the program it was made, and so the paths of this machine, of the stack's own
// resource too, which Pulumi's library makes before our program is loaded. So the places are taken away as soon as that library
// is there; components/internal/source-positions.ts does it for programs of others.
const Module = require("node:module");

const hooked = /** @type {any} */ (Module);
const load = hooked._load;
let isDone = false;

hooked._load = function (/** @type {string} */ request, /** @type {any[]} */ ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (!isDone && /(^|\/)resource$/.test(request) && typeof loaded?.Resource?.stackTrace === "function") {
    isDone = true;
    Object.defineProperty(loaded.Resource, "stackTrace", { value: () => [] });
  }
  return loaded;
};
