import { expect, it } from "vitest";
import { parseState } from "../../../../../core/host/activation/orders.ts";

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
