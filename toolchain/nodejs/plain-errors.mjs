// Loaded before every program. @pulumi/pulumi tells an uncaught error by util.inspect with colours, and Node's search
// for package names to colour (markNodeModules, seen in 20.20.2) never ends at a frame such as
// node_modules/@pulumi/resource.ts, which is what the source maps of @pulumi/pulumi say: 25 s of garbage collection,
// then "Invalid string length". Without colours there is no search.
import util from "node:util";

const { inspect } = util;
util.inspect = Object.assign((value, options, ...more) => {
  const plain = value instanceof Error && options?.colors ? { ...options, colors: false } : options;
  return inspect(value, plain, ...more);
}, inspect);
