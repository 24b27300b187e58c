// Loaded before each program and policy pack of `preview --ci`. @pulumi/pulumi loads the TypeScript compiler and npm's
// dependency resolver at its start and needs them only to serialise functions: 0.4 of 2.3 s of processor time a host,
// and 50 MB, measured with 3.259.0. Here they are loaded when they are first used.
const Module = require("node:module");

const late = new Set(["typescript", "@npmcli/arborist"]);
const load = Module._load;

Module._load = function (request, ...rest) {
  if (!late.has(request)) return load.call(this, request, ...rest);
  let loaded;
  const real = () => {
    loaded ??= load.call(this, request, ...rest);
    return loaded;
  };
  // Said to be an ES module so that TypeScript's import helper passes it on instead of copying what it holds.
  const get = (_, key) => (key === "__esModule" ? true : key === "default" ? (real().default ?? real()) : real()[key]);
  return new Proxy(() => undefined, { get, has: (_, key) => key in real() });
};
