import { describe, expect, it } from "vitest";
import { isUnfetched, parseState, refusedOrder } from "../../../../../core/host/activation/orders.ts";

const given = {
  id: "1",
  phase: "done",
  result: "switched",
  rev: "r",
  from: "/a",
  to: "/b",
  bootId: "b",
  why: "",
  release: "",
};

it.each(["", "Welcome to web-1!\n", "{not json}\n\n"])(
  "reads a host's state after what its shell prints: %j",
  (greeting) => {
    expect(parseState(`${greeting}${JSON.stringify(given)}\n`)).toEqual(given);
  },
);

it("reads none from a host without an activation", () => {
  for (const text of ["", "\n", "Welcome to web-1!\n"]) expect(parseState(text)).toBeUndefined();
});

describe("a refused order", () => {
  const refusal = { said: "no", code: undefined, isMissing: false, hasRefused: true };
  const known = "allowed: switch, 16 hex digits, and a full commit (40 hex digits), newest, previous or a store path";
  it.each([
    ["its code", { ...refusal, code: "unknown-order", said: "in other words" }, /too old for this change/],
    ["its words, from a system without codes", { ...refusal, said: known }, /too old for this change/],
    [
      "its code rather than its words",
      { ...refusal, code: "busy", said: known },
      /refused and changed nothing: allowed/,
    ],
    ["its words, with a code that is not known here", { ...refusal, code: "new" }, /refused and changed nothing: no/],
    ["what it said last, if it did not say that it refused", { ...refusal, hasRefused: false }, /did not do it: no/],
    ["a command that is missing", { ...refusal, isMissing: true }, /has no clawdlets-activate/],
  ])("is explained by %s", (_what, given, words) => {
    expect(refusedOrder("web-1", given).message).toMatch(words);
  });
});

describe("a commit that the host could not fetch", () => {
  it.each([
    ["the code of the branch", { code: "unfetched", why: "in other words" }, true],
    ["the code of a host without a repository", { code: "no-repository", why: "in other words" }, true],
    ["no code", { code: "", why: "cannot fetch branch main of x" }, false],
    ["the words of a system without codes", { code: undefined, why: "cannot fetch branch main of x" }, true],
    ["other words of such a system", { code: undefined, why: "cancelled" }, false],
  ])("is told by %s", (_what, state, is) => {
    expect(isUnfetched(state)).toBe(is);
  });
});
