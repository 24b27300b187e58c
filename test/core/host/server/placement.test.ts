import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { problemSentence } from "../../../../core/base/problem.ts";
import { choosePlacement, unaskedPlacement } from "../../../../core/host/server/placement.ts";
import type { StackState } from "../../../../core/project/state/state.ts";
import { type Lab, newServer, startLab } from "../../../emulator/_lab.ts";

let lab: Lab;
const pool = { host: "web-1", serverType: "cx43", location: "nbg1", locations: ["nbg1", "fsn1", "hel1"] };
const withTypes = { ...pool, serverTypes: ["cx53", "cpx32"] };
const soldOut = (...places: string[]) =>
  lab.api(
    "POST",
    "/_emulator/sold-out",
    places.map((place) => ({ type: place.split(" ")[0], location: place.split(" ")[1] })),
  );
const choose = (
  settings: typeof pool & { serverTypes?: string[] },
  state?: StackState,
  limit: number | undefined = 100,
) =>
  choosePlacement(
    createHetzner({ endpoint: lab.emulator.endpoint, token: lab.emulator.token }),
    settings,
    state,
    limit,
  );
const said = async (...args: Parameters<typeof choose>) =>
  (await choose(...args)).problems.map(problemSentence).join("\n");

/** A state in which only the draws were made. */
const drew = (location: string, serverType?: string): StackState => ({
  pending: [],
  resources: [
    ["location", location],
    ["type", serverType],
  ].flatMap(([what, result]) =>
    result === undefined
      ? []
      : [
          {
            urn: `urn:pulumi:web-1::clawdlets::random:index/randomShuffle:RandomShuffle::web-1-${what}`,
            type: "random:index/randomShuffle:RandomShuffle",
            inputs: {},
            outputs: { results: [result] },
          },
        ],
  ),
});

beforeAll(async () => {
  lab = await startLab();
});
beforeEach(async () => {
  await soldOut();
});
afterAll(() => lab?.stop());

describe("a new server is drawn from", () => {
  it.each<[string, string[], object]>([
    ["every location while all have the type", [], { locations: ["nbg1", "fsn1", "hel1"], types: ["cx43"] }],
    ["those that have the type", ["cx43 fsn1"], { locations: ["nbg1", "hel1"], types: ["cx43"] }],
    [
      "those that have the next type, if the first is sold out in all",
      ["cx43 nbg1", "cx43 fsn1", "cx43 hel1", "cx53 nbg1"],
      { locations: ["fsn1", "hel1"], types: ["cx53"] },
    ],
  ])("%s", async (_, places, expected) => {
    await soldOut(...places);
    expect(await choose(withTypes)).toEqual({ placement: { ...expected, redraw: true }, problems: [] });
  });

  it("another place than the one that was drawn without a server, if there is another", async () => {
    expect((await choose(pool, drew("fsn1"))).placement.locations).toEqual(["nbg1", "hel1"]);
    await soldOut("cx43 nbg1", "cx43 hel1");
    expect((await choose(pool, drew("fsn1"))).placement.locations).toEqual(["fsn1"]);
    const { placement } = await choose({ ...withTypes, locations: ["fsn1"] }, drew("fsn1", "cx43"));
    expect(placement).toMatchObject({ locations: ["fsn1"], types: ["cx53"] });
  });

  it("all candidates where Hetzner is not asked, and what was drawn is kept", () => {
    expect(unaskedPlacement(withTypes)).toEqual({
      locations: ["nbg1", "fsn1", "hel1"],
      types: ["cx43", "cx53", "cpx32"],
      redraw: false,
    });
    expect(unaskedPlacement({ serverType: "cx43", location: "nbg1" })).toEqual({ redraw: false });
  });
});

it("a server that Hetzner already has stays where it is, though the state does not know it", async () => {
  await newServer(lab, "web-2", { server_type: "cpx32", location: "hel1" });
  const { placement, problems } = await choose({ ...withTypes, host: "web-2", locations: ["nbg1", "fsn1"] });
  expect([placement, problems]).toEqual([
    { locations: ["hel1"], types: ["cpx32"], serverType: "cpx32", redraw: false },
    [],
  ]);
});

describe("a pool is refused", () => {
  it("if nothing is in stock, with the reason for each type and location and what would fit", async () => {
    await soldOut("cx43 nbg1", "cx43 fsn1", "cpx32 nbg1", "cpx32 fsn1");
    const text = await said({ ...pool, locations: ["nbg1", "fsn1", "ash"], serverTypes: ["cpx32"] });
    expect(text).toContain('"cx43" is sold out in nbg1, fsn1 and not sold in ash');
    expect(text).toContain('"cpx32" is sold out in nbg1, fsn1 and not sold in ash');
    expect(text).toMatch(/Types in stock: nbg1: .*cx53.*; ash: .*cpx41/);
    expect(text).toMatch(/Other locations: cx43 in hel1; cpx32 in hel1, sin/);
  });

  it.each([
    ["a location that Hetzner does not have", { locations: ["nbg1", "nbg9"] }, /"nbg9" is not a location of Hetzner's/],
    ["a type that Hetzner does not have", { serverTypes: ["cx999"] }, /"cx999" is not sold by Hetzner/],
    [
      "a type that was retired, among those that can be ordered",
      { serverTypes: ["cx11"] },
      /"cx11" is not sold by Hetzner.*available: (?!.*cx[2-5]2)/,
    ],
    [
      "types that are discontinued everywhere",
      { serverType: "cx42", serverTypes: ["cx52"] },
      /"cx42" is discontinued \(since 2026-01-01\) in nbg1, fsn1, hel1; "cx52" is discontinued.*Other locations: none/,
    ],
  ])("for %s", async (_, change, message) => {
    expect(await said({ ...withTypes, ...change })).toMatch(message);
  });

  it("for a typo in the only type, and names no discontinued one", async () => {
    const { locations: _, ...only } = pool;
    const single = async (serverType: string) => said({ ...only, serverType } as typeof pool);
    for (const text of [await single("cx99"), await said({ ...pool, serverType: "cx99" })])
      expect(text).toMatch(/"cx99" is not sold by Hetzner \(did you mean "cx[0-9]3"\?\); available: (?!.*cx[2-5]2)/);
  });

  it("if the dearest candidate costs more than the limit, though another does not", async () => {
    const dear = { ...pool, serverTypes: ["ccx63"] };
    expect(await said(dear)).toMatch(/"ccx63" costs 827\.99 EUR a month net in nbg1; the limit is 100/);
    expect(await said(dear, undefined, 827.99)).toBe("");
  });
});
