import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { problemSentence } from "../../../../core/base/problem.ts";
import { checkImage } from "../../../../core/host/server/catalogue.ts";
import { checkNewServer } from "../../../../core/host/server/new-server.ts";
import { ensureOn, findServer } from "../../../../core/host/server/power.ts";
import { checkTypeChange } from "../../../../core/host/server/type-change.ts";
import { done, type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

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

describe("an image by its id", () => {
  const problemsOf = async (image: string | number, serverType = "cx43") =>
    (await checkImage(hetzner(), { image: String(image), serverType })).map(problemSentence).join("\n");
  const snapshotOf = async (server: number, type: string) => {
    const { body } = await lab.api("POST", `/servers/${server}/actions/create_image`, { type, description: "base" });
    await until("the image is there", async () => {
      const { body: seen } = await lab.api("GET", `/images/${body.image.id}`);
      return seen.image.status === "available";
    });
    return body.image.id as number;
  };

  it("is taken if it is an x86 snapshot, as Hetzner takes it", async () => {
    const image = await snapshotOf(id, "snapshot");
    expect(await problemsOf(image)).toBe("");
    const body = { name: "from-snapshot", server_type: "cx43", image: String(image), location: "nbg1" };
    expect((await lab.api("POST", "/servers", body)).status).toBe(201);
  });

  it("is refused for an ARM server if it is for x86, as Hetzner refuses it, by id and by name", async () => {
    const image = await snapshotOf(id, "snapshot");
    expect(await problemsOf(image, "cax21")).toMatch(
      /the image \d+ is for x86, but the server type "cax21" is arm\. Use the id of a snapshot for arm/,
    );
    const body = { name: "refused", server_type: "cax21", image: String(image), location: "nbg1" };
    expect((await lab.api("POST", "/servers", body)).status).toBe(422);
    // The one system image of its kind.
    const x86 = (await lab.api("GET", "/images?name=debian-13&architecture=x86")).body.images[0].id;
    expect(await problemsOf(x86, "cax21")).toMatch(/is for x86, but the server type "cax21" is arm/);
    for (const type of ["cax21", "cx43"]) expect(await problemsOf("debian-13", type)).toBe("");
    expect(await problemsOf("debian-99", "cax21")).toMatch(/Hetzner has no image named "debian-99"/);
  });

  it("is refused if it is for ARM or unknown, as Hetzner refuses it", async () => {
    const arm = await newServer(lab, "arm-1", { server_type: "cax21", location: "nbg1" });
    const image = await snapshotOf(arm.id, "snapshot");
    expect(await problemsOf(image)).toMatch(/the image \d+ is for arm, but the server type "cx43" is x86/);
    expect(await problemsOf(image, "cax11")).toBe("");
    expect(await problemsOf(999)).toMatch(/Hetzner has no image with the id 999 in the project of this token/);
    for (const each of [image, 999]) {
      const body = { name: "refused", server_type: "cx43", image: String(each), location: "nbg1" };
      expect((await lab.api("POST", "/servers", body)).status).toBe(422);
    }
  });

  it("is refused if it is larger than the disk of any type that may be ordered, as Hetzner refuses it", async () => {
    const big = await newServer(lab, "big-1", { server_type: "cx43", location: "nbg1" });
    const image = await snapshotOf(big.id, "snapshot");
    const order = async (serverType: string, serverTypes: string[] = []) =>
      (await checkNewServer(hetzner(), { location: "nbg1", serverType, serverTypes, image: String(image) }, undefined))
        .map(problemSentence)
        .join("\n");
    expect(await order("cx43")).toBe("");
    expect(await order("cx53")).toBe("");
    expect(await order("cx23")).toMatch(
      /the image \d+ was taken from a disk of 160 GB, which does not fit on the disk of server type "cx23" \(40 GB\)\. Use a server type with a disk of 160 GB or more/,
    );
    expect(await order("cx43", ["cx33"])).toMatch(/does not fit on the disk of server type "cx33" \(80 GB\)/);
    const body = { name: "refused", server_type: "cx23", image: String(image), location: "nbg1" };
    expect((await lab.api("POST", "/servers", body)).status).toBe(422);
  });

  it("is refused while Hetzner is still making it", async () => {
    // Actions that outlast the look, also on a busy machine.
    const slow = await startLab({ actionMs: 4000 });
    try {
      const server = await newServer(slow, "slow-1", { server_type: "cx43", location: "nbg1" });
      const path = `/servers/${server.id}/actions/create_image`;
      const image = String((await slow.api("POST", path, { type: "snapshot" })).body.image.id);
      const client = createHetzner({ endpoint: slow.emulator.endpoint, token: slow.emulator.token });
      const [problem] = await checkImage(client, { image, serverType: "cx43" });
      expect(problem && problemSentence(problem)).toMatch(/the image \d+ is creating, not available/);
      const order = { name: "refused", server_type: "cx53", image, location: "nbg1" };
      expect((await slow.api("POST", "/servers", order)).status).toBe(422);
    } finally {
      await slow.stop();
    }
  }, 60_000);

  it("starts a host only if it was baked for it, and a baked one starts no full installation", async () => {
    const image = await snapshotOf(id, "snapshot");
    const check = async (host: string, mode: "full" | "snapshot") => {
      const given = { image: String(image), serverType: "cx53", host, install: { mode } };
      return (await checkImage(hetzner(), given)).map(problemSentence).join("\n");
    };
    expect(await check("web-1", "full")).toBe("");
    expect(await check("web-1", "snapshot")).toMatch(/was not made by "image bake"/);
    await lab.api("PUT", `/images/${image}`, { labels: { "clawdlets-image": "web-1" } });
    expect(await check("web-1", "snapshot")).toBe("");
    expect(await check("web-2", "snapshot")).toMatch(/was baked for web-1, and holds that host's system/);
    expect(await check("web-1", "full")).toMatch(/has no cloud-init, which a full installation needs/);
  });
});
