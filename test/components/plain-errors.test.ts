import util from "node:util";
import { expect, it } from "vitest";
import "../../components/internal/plain-errors.ts";

it("an error is shown without colours, and everything else with them", () => {
  const error = new Error("refused");
  // A frame of the kind in which Node 20 never ends its search for package names.
  error.stack = "Error: refused\n    at x (/a/node_modules/@pulumi/resource.ts:1:1)";
  expect(util.inspect(error, { colors: true })).toBe(error.stack);
  expect(util.inspect(1, { colors: true })).toContain("\u001b[");
  expect(util.inspect({ depth: 1 })).toBe("{ depth: 1 }");
});
