import { expect, it } from "vitest";
import { worstOf } from "../../../cli/shared/hosts.ts";
import { exitCodes } from "../../../core/base/exit-codes.ts";

const { ok, failed, returned, unseen, open, api, settings } = exitCodes;

it.each([
  ["nothing", [ok, ok], ok],
  ["no host", [], ok],
  ["an open port before everything", [returned, unseen, open, api], open],
  ["a host that was not seen before one that went back", [returned, unseen], unseen],
  ["Hetzner before settings", [settings, failed, api], api],
  ["the first of the rest", [ok, returned, failed], returned],
])("the exit code of many hosts is that of %s", (_, codes, worst) => {
  expect(worstOf(codes)).toBe(worst);
});
