import { expect, it } from "vitest";
import { readLimit, withLimit } from "../../../../core/base/limits.ts";

it.each([
  ["waiting for ssh", 300, "waiting for ssh (limit 5 min)"],
  ["waiting for ssh", 90, "waiting for ssh (limit 90 s)"],
  ["two\nlines", 20, "two\nlines (limit 20 s)"],
  ["no limit", undefined, "no limit"],
])("a limit goes into the line and comes out of it: %j", (text, limitSeconds, line) => {
  expect(withLimit(text, limitSeconds)).toBe(line);
  expect(readLimit(line)).toEqual({ text, ...(limitSeconds !== undefined && { limitSeconds }) });
});

it("leaves a text alone that only looks like one", () => {
  expect(readLimit("see (limit of 5 min)")).toEqual({ text: "see (limit of 5 min)" });
});
