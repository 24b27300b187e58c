import { expect, it } from "vitest";
import { referencesIn } from "../../../../../core/project/bots/references.ts";
import fc from "../../../../_properties.ts";
import { referenceCases } from "../../../../fixtures/bot-references.ts";

it.each(referenceCases)("in %j finds %j", (text, names) => {
  expect(referencesIn(text)).toEqual(names);
});

/** OpenClaw 2026.9.6 reads a value from left to right, and takes the first of an escape and a reference that fits. */
function byReading(text: string): string[] {
  const names = new Set<string>();
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== "$") continue;
    const isEscape = text.startsWith("$${", at);
    if (!isEscape && text[at + 1] !== "{") continue;
    const start = at + (isEscape ? 3 : 2);
    const end = text.indexOf("}", start);
    const name = end === -1 ? "" : text.slice(start, end);
    if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) continue;
    if (!isEscape) names.add(name);
    at = end;
  }
  return [...names].sort();
}

it("finds what OpenClaw's reading from left to right finds, in any text", () => {
  const piece = fc.constantFrom("$", "{", "}", "${A}", "$${B}", "${", "A_1", "a", "_", "\n", "é");
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, (each) => {
      expect(referencesIn(each)).toEqual(byReading(each));
    }),
    { numRuns: 2000 },
  );
});
