import util, { inspect } from "node:util";
import { expect, it } from "vitest";
import "../../components/internal/plain-errors.ts";

// A frame of the kind in which Node 20 never ends its search for package names.
const stack = "Error: refused\n    at x (/a/node_modules/@pulumi/resource.ts:1:1)";
class Refused extends Error {}

it.each([
  ["by util, as it is now", util.inspect],
  ["by a copy that was taken before, as Pulumi's library has one", inspect],
])("an error is shown without colours %s, and everything else with them", (_who, show) => {
  const error = new Error("refused");
  error.stack = stack;
  expect(show(error, { colors: true })).toBe(stack);
  const refused = Object.assign(new Refused("x"), { stack });
  expect(show(refused, { colors: true })).toBe(show(refused));
  expect(show(Object.assign(error, { why: { deep: 1 } }), { colors: true })).toBe(`${stack} {\n  why: { deep: 1 }\n}`);
  expect(show(error)).toBe(show(error, { colors: true }));
  expect(show(1, { colors: true })).toContain("\u001b[");
  expect(show({ depth: 1 })).toBe("{ depth: 1 }");
});
