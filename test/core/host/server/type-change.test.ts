import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { problemSentence } from "../../../../core/base/problem.ts";
import { checkNewServer } from "../../../../core/host/server/new-server.ts";
import { ensureOn, findServer } from "../../../../core/host/server/power.ts";
import { checkTypeChange } from "../../../../core/host/server/type-change.ts";
import { done, type Lab, newServer, startLab } from "../../../emulator/_lab.ts";

let lab: Lab;
let id: number;
const hetzner = () => createHetzner({ endpoint: lab.emulator.endpoint, token: lab.emulator.token });
const soldOut = (...types: { type: string; location: string }[]) => lab.api("POST", "/_emulator/sold-out", types);
const seen = async () => {
  const server = await findServer(hetzner(), id);
  if (!server) throw new Error("the server is gone");
  return server;
};
const changeTo = async (type: string) => checkTypeChange(hetzner(), await seen(), type, 100);

beforeAll(async () => {
  lab = await startLab();
  ({ id } = await newServer(lab, "web-1", { server_type: "cx43", location: "nbg1" }));
});
beforeEach(async () => {
  await soldOut();
});
afterAll(() => lab?.stop());

describe("a change of an existing server's type is refused before power is cut", () => {
  it.each<[string, string, RegExp]>([
    ["a smaller disk", "cx33", /"cx33" has a disk of 80 GB.*160 GB, which cannot shrink\. Allowed .*cx43, cx53/],
    ["a typo", "cx999", /"cx999" is not sold by Hetzner.*available: .*cx43/],
    ["another architecture", "cax31", /"cax31" is arm, but the server is x86\. Allowed .*cx53/],
    ["a discontinued type", "cx52", /"cx52" is discontinued \(since 2026-01-01\) in nbg1\. Types .*: .*cx53/],
    ["a type that the location does not have", "cpx41", /"nbg1" does not have cpx41; it is sold in ash, hil, sin/],
  ])("for %s, as Hetzner refuses it", async (_, type, message) => {
    const { problems, effects } = await changeTo(type);
    expect([problems.length, effects]).toEqual([1, []]);
    expect(problems.map(problemSentence)[0]).toMatch(message);
    // What would have come of it: the real order of the provider, on the emulator.
    await done(lab, "POST", `/servers/${id}/actions/poweroff`);
    const refused = await lab.api("POST", `/servers/${id}/actions/change_type`, {
      server_type: type,
      upgrade_disk: true,
    });
    expect([refused.status, (await seen()).status]).toEqual([422, "off"]);
    expect(await ensureOn(hetzner(), await seen())).toBe(true);
    expect((await seen()).status).toBe("running");
  });

  it("for a type that is sold out where the server is, with what is available there", async () => {
    await soldOut({ type: "cx53", location: "nbg1" }, { type: "cpx32", location: "nbg1" });
    const { problems } = await changeTo("cx53");
    expect(problems.map(problemSentence)[0]).toMatch(
      /"cx53" is sold out in nbg1\. Types that are available there: .*cpx42/,
    );
    expect(problems.map(problemSentence)[0]).not.toMatch(/cpx32| cx33/);
    expect(problems.map(problemSentence)[0]).toMatch(/locations that have cx53: fsn1, hel1/);
  });
});

describe("a change that Hetzner allows", () => {
  it("says that power is cut and that the disk never shrinks again", async () => {
    expect(await changeTo("cx53")).toEqual({
      problems: [],
      effects: [expect.stringMatching(/POWER IS CUT.*from cx43 to cx53.*grows from 160 GB to 320 GB.*never shrink/)],
    });
  });

  it("has nothing to say where the type stays, though nobody else could have it", async () => {
    await soldOut({ type: "cx43", location: "nbg1" });
    await lab.api("POST", "/_emulator/reset-counters");
    expect(await changeTo("cx43")).toEqual({ problems: [], effects: [] });
    expect(Object.keys(lab.emulator.report().requests)).toEqual(["GET /servers/{id}"]);
  });
});

describe("a new server", () => {
  const wanted = { serverType: "cx43", location: "nbg1", image: "debian-12" };

  it("is not begun where its type is sold out, as Hetzner refuses it", async () => {
    expect(await checkNewServer(hetzner(), wanted, 100)).toEqual([]);
    await soldOut({ type: "cx43", location: "nbg1" });
    const [problem] = await checkNewServer(hetzner(), wanted, 100);
    expect(problem).toMatchObject({ setting: "serverType" });
    expect(problem && problemSentence(problem)).toMatch(
      /"cx43" is sold out in nbg1\. .*locations that have cx43: fsn1, hel1/,
    );
    const body = { name: "web-2", server_type: "cx43", image: "debian-12", location: "nbg1" };
    expect(await lab.api("POST", "/servers", body)).toMatchObject({
      status: 412,
      body: { error: { code: "resource_unavailable" } },
    });
    expect(await checkNewServer(hetzner(), { ...wanted, location: "fsn1" }, 100)).toEqual([]);
  });

  it("is not begun above the limit, by Hetzner's own price", async () => {
    const dear = { ...wanted, serverType: "ccx63" };
    const [problem] = await checkNewServer(hetzner(), dear, 100);
    expect(problem && problemSentence(problem)).toMatch(
      /"ccx63" costs 827\.99 EUR a month net in nbg1; the limit is 100\. .*clawdlets-policy/,
    );
    for (const limit of [827.99, undefined]) expect(await checkNewServer(hetzner(), dear, limit)).toEqual([]);
    expect((await changeTo("ccx63")).problems).toHaveLength(1);
  });

  it("fails with Hetzner's error where the types cannot be read, and nothing is left that ends the process", async () => {
    const refused = createHetzner({ endpoint: lab.emulator.endpoint, token: "x".repeat(64) });
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      await expect(checkNewServer(refused, wanted, 100)).rejects.toMatchObject({ code: "unauthorized" });
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });

  it("is not begun with a discontinued type", async () => {
    const [problem] = await checkNewServer(hetzner(), { ...wanted, serverType: "cx42" }, 100);
    expect(problem && problemSentence(problem)).toMatch(/"cx42" is discontinued \(since 2026-01-01\) in nbg1/);
  });
});
