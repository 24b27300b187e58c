import { describe, expect, it } from "vitest";
import { budgetOf, RequestBudget } from "../../../../core/base/hetzner/budget.ts";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { startEmulator } from "../../../../emulator/index.ts";

const headers = (remaining: number, more: Record<string, string> = {}) =>
  new Headers({ "RateLimit-Limit": "3600", "RateLimit-Remaining": String(remaining), ...more });

const quiet = () => undefined;

function budgetAt(start = 0) {
  const clock = { ms: start };
  return { clock, budget: new RequestBudget(() => clock.ms) };
}

describe("what is known of the request limit", () => {
  it("is nothing before the first answer, and then nobody waits", () => {
    const { budget } = budgetAt();
    expect([budget.remaining, budget.secondsUntil(1000)]).toEqual([undefined, 0]);
  });

  it("comes back at one a second of 3600 an hour, and not beyond the limit", () => {
    const { clock, budget } = budgetAt();
    budget.answered(headers(10));
    expect(budget.secondsUntil(40)).toBe(30);
    clock.ms = 30_000;
    expect([budget.remaining, budget.secondsUntil(40)]).toEqual([40, 0]);
    clock.ms = 7_200_000;
    expect(budget.remaining).toBe(3600);
  });

  it("is less by what is under way: an answer was given before they arrived", async () => {
    const { budget } = budgetAt();
    budget.answered(headers(10));
    await Promise.all([budget.take(quiet), budget.take(quiet), budget.take(quiet)]);
    expect(budget.remaining).toBe(7);
    budget.answered(headers(9));
    expect(budget.remaining).toBe(7);
  });

  it("comes back slower when the reset is further away than an hour's rate says, by Hetzner's own clock", () => {
    const { budget } = budgetAt();
    const date = new Date("2026-01-01T00:00:00Z");
    const reset = String(date.getTime() / 1000 + 7200);
    budget.answered(headers(0, { Date: date.toUTCString(), "RateLimit-Reset": reset }));
    expect(budget.secondsUntil(1)).toBe(2);
  });

  it.each([
    ["no headers", {}],
    ["a limit of 0", { "RateLimit-Limit": "0", "RateLimit-Remaining": "0" }],
    ["no numbers", { "RateLimit-Limit": "lots", "RateLimit-Remaining": "-1" }],
  ])("stays as it was after an answer with %s", (_, content) => {
    const { budget } = budgetAt();
    budget.answered(headers(5));
    budget.answered(new Headers(content as Record<string, string>));
    expect(budget.remaining).toBe(5);
  });

  it("is the same for all clients of a project, and another for another token", () => {
    expect(budgetOf("http://e", "a")).toBe(budgetOf("http://e", "a"));
    expect(budgetOf("http://e", "a")).not.toBe(budgetOf("http://e", "b"));
  });
});

it("a client that has used up the limit waits for the next request instead of being refused, and says so", async () => {
  // 1200 an hour are one in three seconds; the bucket is emptied first by requests of which the client knows nothing.
  const emulator = await startEmulator({ rateLimit: 1200 });
  try {
    const ask = () =>
      fetch(`${emulator.endpoint}/locations`, { headers: { authorization: `Bearer ${emulator.token}` } });
    for (let left = 1200; left > 1; ) {
      const answers = await Promise.all(Array.from({ length: Math.min(100, left - 1) }, ask));
      left = Math.min(...answers.map(({ headers }) => Number(headers.get("RateLimit-Remaining"))));
    }
    const told: string[] = [];
    const hetzner = createHetzner({
      endpoint: emulator.endpoint,
      token: emulator.token,
      tell: (text) => void told.push(text),
      limits: { attempts: 1, maxWaitSeconds: 0 },
    });
    const statuses = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await hetzner.GET("/locations")).response.status);
    expect(statuses).toEqual([200, 200, 200]);
    expect(told[0]).toMatch(/^waiting \d s for Hetzner's request limit \(1200 an hour for the whole project\)$/);
  } finally {
    await emulator.close();
  }
});
