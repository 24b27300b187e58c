import { expect, it } from "vitest";
import { changedText, doneText, operationTexts } from "../../../../engine/progress/operations.ts";

it.each([
  [{ create: 12 }, "12 to create", "done: 12 created"],
  [{ same: 9, update: 1, delete: 2 }, "1 to update, 2 to delete", "done: 1 updated, 2 deleted"],
  [
    { "create-replacement": 1, "delete-replaced": 1 },
    "1 to create as a replacement, 1 to delete after replacement",
    "done: 1 created as a replacement, 1 deleted after replacement",
  ],
  [{ read: 1 }, "1 to read", "done: 1 read"],
  [{ unheard: 1 }, "1 to unheard", "done: 1 by unheard"],
  [{ same: 9 }, undefined, "nothing to do: everything is as declared"],
])("describes %j", (changes, planned, done) => {
  expect(changedText(changes)).toBe(planned);
  expect(doneText(changes)).toBe(done);
});

it.each([
  ["create", "creating Server web-1", "created Server web-1"],
  ["create-replacement", "creating Server web-1 as a replacement", "created Server web-1 as a replacement"],
  ["delete-replaced", "deleting Server web-1 after replacement", "deleted Server web-1 after replacement"],
])("words of %s are those of the summary, around the resource", (op, doing, done) => {
  expect(operationTexts(op, "Server web-1")).toEqual([doing, done]);
});

it.each(["same", "refresh", "read", "unheard"])("a run does not show %s", (op) => {
  expect(operationTexts(op, "Server web-1")).toBeUndefined();
});
