import { expect, it } from "vitest";
import { expiresSoon } from "../../../../../core/host/tailnet/auth-key.ts";

it.each([
  ["in 20 minutes", "2026-11-27T12:20:00Z", false],
  ["in a second less", "2026-11-27T12:19:59Z", true],
  ["now", "2026-11-27T12:00:00Z", true],
  ["a day ago", "2026-11-26T12:00:00Z", true],
  ["at a time that cannot be read, so only the API knows", "soon", false],
])("a key that expires %s: is it replaced before the reboot?", (_, expires, isReplaced) => {
  expect(expiresSoon({ expires }, new Date("2026-11-27T12:00:00Z"))).toBe(isReplaced);
});
