import { describe, expect, it } from "vitest";
import { readRefusal } from "../../../../../core/host/reach/refusal.ts";
import { parseRekey, refusedRekey, rekeyPhase } from "../../../../../core/host/tailnet/rekey-orders.ts";

const state = {
  id: "0123456789abcdef",
  phase: "waiting",
  result: "",
  seconds: "300",
  deadline: "1764230400",
  from: "nodekey:a",
  to: "nodekey:b",
  bootId: "boot",
  why: "",
};
const phaseOf = (more: object) => rekeyPhase(parseRekey(JSON.stringify({ ...state, ...more })));

describe("the state of a host's rekey", () => {
  it.each([
    ["accepted", "the host is about to begin; unless it is confirmed, it rolls back to its old one at 08:00 UTC"],
    [
      "joining",
      "the host is joining as a new device; unless it is confirmed, it rolls back to its old one at 08:00 UTC",
    ],
    [
      "waiting",
      "the host is a new device, which is not confirmed yet; unless it is confirmed, it rolls back to its old one at 08:00 UTC",
    ],
    ["done", undefined],
  ])("in words: %s", (phase, words) => expect(phaseOf({ phase })).toBe(words));

  it("shows why the host is rolling back, without what could steer a terminal", () => {
    expect(phaseOf({ phase: "returning", why: "no \u001b[31mlogin" })).toMatch(
      /^the host is rolling back to its old device: no .*login$/,
    );
    expect(phaseOf({ phase: "returning", why: "no \u001b[31mlogin" })).not.toContain("\u001b");
  });

  it.each(["", "{}", "cat: no such file", JSON.stringify({ ...state, phase: "other" })])(
    "is undefined for %j",
    (text) => {
      expect(rekeyPhase(parseRekey(text))).toBeUndefined();
    },
  );
});

describe("an order that the host refuses", () => {
  it("names the way out where its system does not allow it", () => {
    for (const said of ["sudo: a password is required", "bash: clawdlets-rekey: command not found"]) {
      expect(refusedRekey("web-1", readRefusal(said, 1)).message).toBe(
        "web-1: its system does not allow rekey. Nothing was changed. Set clawdlets.tailnet.tailscale.rekey = true in hosts/web-1.nix, then run: clawdlets rebuild --host web-1",
      );
    }
  });

  it.each(["another rekey (0123456789abcdef) is waiting", "this key is not allowed"])(
    "is quoted otherwise: %s",
    (why) => {
      const said = `clawdlets-rekey: refused, nothing changed: ${why}`;
      expect(refusedRekey("web-1", readRefusal(said, 1)).message).toBe(
        `web-1: the host refused and changed nothing: ${why}.`,
      );
    },
  );

  it("is decided by its code: a busy host is asked again later", () => {
    const stderr = "clawdlets-rekey: code busy\nclawdlets-rekey: refused, nothing changed: another order is at work";
    expect(refusedRekey("web-1", readRefusal(stderr, 1)).headline.fix).toMatch(/^Run the same command again/);
  });
});
