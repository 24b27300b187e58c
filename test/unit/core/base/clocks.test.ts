import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitForActions } from "../../../../core/base/hetzner/actions.ts";
import { RequestBudget } from "../../../../core/base/hetzner/budget.ts";
import type { Hetzner } from "../../../../core/base/hetzner/client.ts";
import { waitUntil } from "../../../../core/base/wait-until.ts";

describe("on a machine whose wall clock is set back again and again", () => {
  let now = 1_700_000_000_000;
  beforeEach(() => {
    vi.spyOn(Date, "now").mockImplementation(() => {
      now -= 86_400_000;
      return now;
    });
  });
  afterEach(() => void vi.restoreAllMocks());

  it("waiting ends at its limit", async () => {
    const { signal } = new AbortController();
    const limits = { seconds: 0.05, pauseMs: 5, waitedFor: "nothing came", advice: "Try again.", signal };
    await expect(waitUntil(async () => undefined, limits)).rejects.toThrow("nothing came within 0.05 s");
  });

  it("waiting for an action ends at its limit", async () => {
    const action = { id: 1, status: "running" as const, error: null };
    const answer = async () => ({ data: { actions: [action] }, response: new Response("{}") });
    const hetzner = { GET: answer } as unknown as Hetzner;
    const limits = { what: "open the window", timeoutSeconds: 0.05 };
    await expect(waitForActions(hetzner, [action], limits)).rejects.toThrow("did not open the window within 0.05 s");
  });

  it("requests that may be sent are not held back", () => {
    const budget = new RequestBudget();
    budget.answered(new Headers({ "RateLimit-Limit": "3600", "RateLimit-Remaining": "3000" }));
    expect(budget.secondsUntil(1)).toBe(0);
  });
});
