type Inspect = (value: unknown, options: object) => string;
type Options = { colors?: boolean; stylize?: unknown };

/**
 * Shows an uncaught error without colours. Pulumi's library shows it by `util.inspect` with colours, and Node 20's search for
 * package names to colour (`markNodeModules`, seen in 20.20.2) never ends at a frame such as `node_modules/@pulumi/resource.ts`,
 * the path in that library's source maps: a refused setting took a minute. Without colours, Node does not search. On the prototype,
 * because the library has copied `util.inspect` before it loads a program.
 */
Object.defineProperty(Error.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Error, depth: number, { stylize, ...options }: Options, inspect: Inspect) {
    // Itself: as without this method.
    return options.colors === true ? inspect(this, { ...options, depth, colors: false }) : this;
  },
  configurable: true,
  writable: true,
});
