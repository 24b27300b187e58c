import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import type { Attempt } from "./lab/_attempts.ts";
import { direct } from "./lab/_direct-attempts.ts";
import { Lab, needs } from "./lab/_lab.ts";
import { malformed, throughProxy } from "./lab/_proxy-attempts.ts";

/** Without this, a refusal could be a server that does not run or a route that is not there. */
describeWith(needs, "where there is neither rule nor filter", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    await lab.startProxy({ filter: "^\n", config: (text) => text.replace("ConnectPort 443\n", "") });
  });
  afterAll(() => lab?.stop());

  async function withoutEffect(attempts: Attempt[]): Promise<string[]> {
    const names: string[] = [];
    for (const { who, name, command, reaches } of attempts) {
      if (reaches !== null || malformed.has(name)) continue;
      const { arrived } = await lab.attempt(who, command);
      if (arrived.length === 0) names.push(`${who}: ${name}`);
    }
    return names;
  }

  it("every direct attempt that is to be refused gets through", async () => {
    expect(await withoutEffect(direct)).toEqual([]);
  }, 120_000);

  it("every attempt at the proxy that is to be refused gets through, but for the malformed", async () => {
    const attempts = throughProxy({});
    expect(await withoutEffect(attempts)).toEqual([]);
    expect(attempts.filter(({ name }) => malformed.has(name)).length).toBe(malformed.size);
  }, 120_000);
});
