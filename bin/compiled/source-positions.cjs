// @ts-check
// Path leak: the engine's state records the source position of every resource, and so local paths, even for the stack's own resource,
// which Pulumi's library creates before our program loads. So positions are removed as soon as that library is loaded;
// components/internal/source-positions.ts does this for other programs.
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
