import util from "node:util";

/**
 * Shows an uncaught error without colours. Pulumi's library shows it by `util.inspect` with colours, and Node 20's search for
 * package names to colour (`markNodeModules`, seen in 20.20.2) never ends at a frame such as `node_modules/@pulumi/resource.ts`,
 * the path in that library's source maps: a refused setting took a minute. Without colours, Node does not search.
 */
const { inspect } = util;
util.inspect = Object.assign((value: unknown, options?: unknown, ...more: unknown[]) => {
  const plain = value instanceof Error && isColoured(options) ? { ...options, colors: false } : options;
  return (inspect as (...args: unknown[]) => string)(value, plain, ...more);
}, inspect) as typeof inspect;

const isColoured = (options: unknown): options is util.InspectOptions =>
  typeof options === "object" && options !== null && "colors" in options && options.colors === true;
