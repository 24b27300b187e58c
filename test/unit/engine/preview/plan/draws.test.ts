import { describe, expect, it } from "vitest";
import { candidatesOf, inWords, withFirstDrawn } from "../../../../../engine/preview/plan/draws.ts";
import { summaryOf } from "../../../../../engine/preview/plan/exists.ts";
import { materialise } from "../../../../../engine/preview/plan/materialise.ts";
import { type Plan, type Step, unknownText } from "../../../../../engine/preview/plan/plan.ts";
import { plannedOf } from "../../../../../engine/preview/plan/planned.ts";

const step = (type: string, name: string, after: object, outputs = {}): Step => ({
  urn: `urn:pulumi:web-1::clawdlets::${type}::${name}`,
  type,
  name,
  op: "create",
  custom: true,
  parent: "",
  provider: "",
  before: undefined,
  after: { ...after },
  outputs,
  diff: {},
});
const draw = (what: string, inputs: string[]) =>
  step("random:index/randomShuffle:RandomShuffle", `web-1-${what}`, { inputs }, { results: unknownText });
const server = step("hcloud:index/server:Server", "web-1-server", {
  serverType: unknownText,
  location: unknownText,
  image: "debian-12",
});
const steps = [draw("location", ["nbg1", "fsn1"]), draw("type", ["cx43", "cpx32"]), server];
const plan: Plan = { steps, violations: [], errors: [], warnings: [] };

describe("what up will draw", () => {
  it("is said by its candidates", () => {
    expect(candidatesOf(server, "location", steps)).toEqual(["nbg1", "fsn1"]);
    expect(inWords(["nbg1"])).toBe("nbg1");
    expect(summaryOf(plan)).toBe("one of cx43, cpx32 in one of nbg1, fsn1, debian-12; TCP/22 closed");
    const planned = plannedOf(plan, "web-1").find(({ resource }) => resource === "web-1-server");
    expect(planned?.properties.map(({ after }) => after)).toEqual([
      "one of cx43, cpx32",
      "one of nbg1, fsn1",
      '"debian-12"',
    ]);
  });

  it("is nothing where the value is known, or another host is drawn for", () => {
    expect(candidatesOf(step(server.type, "web-1-server", { location: "nbg1" }), "location", steps)).toBeUndefined();
    expect(candidatesOf({ ...server, name: "web-2-server" }, "location", steps)).toBeUndefined();
  });

  it("is the first candidate in a state made of the plan, so that the next preview shows no change", () => {
    const [location, , made] = materialise(plan);
    expect(location?.outputs["results"]).toEqual(["nbg1"]);
    expect(made?.inputs).toMatchObject({ serverType: "cx43", location: "nbg1" });
    expect(withFirstDrawn(step(server.type, "x", { location: "hel1" }), steps).after).toEqual({ location: "hel1" });
  });
});
