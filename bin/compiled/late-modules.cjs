// Lazy loading. Loaded before @pulumi/pulumi, by programs, policy packs and our commands. At start-up the library loads the TypeScript
// compiler and npm's dependency resolver, which it needs only to serialise functions; here they load on first use. With 3.259.0 and
// Node 20: 0.14 s of CPU time instead of 0.38, and 50 MB less per process.
const Module = require("node:module");
const { readFileSync } = require("node:fs");
const { pathToFileURL } = require("node:url");

const late = new Set(["typescript", "@npmcli/arborist"]);
// Source maps in stack traces. The library creates a stack trace for every resource, and mapping each costs 0.2 s per program. So they
// are mapped only from the first failure on.
const maps = "source-map-support/register";
const load = Module._load;
/** Set once the library has requested it. */
let mapStacks = () => undefined;
/** URL prefix of modules that the loader provides instead of a file. */
const known = new Map();

const traced = /(^|\/)debuggable$/;
const quiet = new WeakSet();

Module._load = function (request, ...rest) {
  if (request === maps) {
    mapStacks = () => load.call(this, "source-map-support", ...rest).install({ retrieveSourceMap });
    return {};
  }
  if (!late.has(request)) {
    const exported = load.call(this, request, ...rest);
    if (traced.test(request) && !quiet.has(exported)) {
      quiet.add(exported);
      withoutTraces(exported);
    }
    return exported;
  }
  let loaded;
  const real = () => {
    loaded ??= load.call(this, request, ...rest);
    return loaded;
  };
  // Marked as an ES module so that TypeScript's import helper passes it through instead of copying its properties.
  const get = (_, key) => (key === "__esModule" ? true : key === "default" ? (real().default ?? real()) : real()[key]);
  return new Proxy(() => undefined, { get, has: (_, key) => key in real() });
};

// Stack traces of promises. The library writes one onto each of its promises, thousands in a program of a hundred hosts, and prints them
// only with PULUMI_DEBUG_PROMISE_LEAKS. Without, they stay empty.
function withoutTraces(library) {
  const original = library.debuggablePromise;
  if (typeof original !== "function" || library.debugPromiseLeaks) return;
  library.debuggablePromise = (...args) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return original(...args);
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
}

function retrieveSourceMap(source) {
  const file = known.get(source);
  return file === undefined ? null : { url: pathToFileURL(file).href, map: readFileSync(file, "utf8") };
}

// Runs before the listener that prints the failure, and only if there is one: adding a listener changes Node's default behaviour.
const failures = new Set(["uncaughtException", "unhandledRejection"]);
process.on("newListener", (event) => {
  if (failures.delete(event)) process.on(event, () => mapStacks());
});

/** For a process without @pulumi/pulumi's own handling: maps positions as soon as a stack trace is read. */
exports.mapStacksLate = () => {
  Error.prepareStackTrace = (error, frames) => {
    const pulumi = Module.createRequire(require.resolve("@pulumi/pulumi/package.json"));
    Error.prepareStackTrace = undefined;
    pulumi("source-map-support").install({ retrieveSourceMap });
    return Error.prepareStackTrace(error, frames);
  };
};

/** @param {string} source URL as stacks show it @param {string} map file */
exports.mapStacksOf = (source, map) => known.set(source, map);
