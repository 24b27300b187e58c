// @ts-check
// Node's search for package names. @pulumi/pulumi shows an uncaught error by util.inspect with colours, and Node 20's search for package
// names to colour (markNodeModules, seen in 20.20.2) never ends at a frame such as node_modules/@pulumi/resource.ts, the path in that
// library's source maps: a program that failed while it loaded took two minutes to say so. Without colours, Node does not search.
// Programs of others load it as "@clawdlets/infra/plain-errors"; for those that do not, components/internal/plain-errors.ts does the same,
// after the imports before it. On the prototype, because the library copies util.inspect.
Object.defineProperty(Error.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  /**
   * @this {Error}
   * @param {number} depth
   * @param {import("node:util").InspectOptionsStylized} options
   * @param {typeof import("node:util").inspect} inspect
   */
  value(depth, { stylize, ...options }, inspect) {
    // Itself: as without this method.
    return options.colors === true ? inspect(this, { ...options, depth, colors: false }) : this;
  },
  configurable: true,
  writable: true,
});
