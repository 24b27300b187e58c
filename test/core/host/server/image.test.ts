import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { problemSentence } from "../../../../core/base/problem.ts";
import { checkImage } from "../../../../core/host/server/image.ts";
import { checkNewServer } from "../../../../core/host/server/new-server.ts";
import { type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

let lab: Lab;
let id: number;
const hetzner = () => createHetzner({ endpoint: lab.emulator.endpoint, token: lab.emulator.token });

beforeAll(async () => {
  lab = await startLab();
  ({ id } = await newServer(lab, "web-1", { server_type: "cx43", location: "nbg1" }));
});
afterEach(() => void vi.useRealTimers());
afterAll(() => lab?.stop());

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
      expect(problem && problemSentence(problem)).toMatch(
        /Hetzner is still making the image \d+\. Run the same command again in a few minutes/,
      );
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

  it.each(["full", "snapshot"] as const)("that a bake has not finished starts no host in mode %s", async (mode) => {
    const image = await snapshotOf(id, "snapshot");
    await lab.api("PUT", `/images/${image}`, { labels: { "clawdlets-baking": "web-1" } });
    const given = { image: String(image), serverType: "cx53", host: "web-1", install: { mode } };
    expect((await checkImage(hetzner(), given)).map(problemSentence).join("\n")).toMatch(
      /the snapshot \d+ is unfinished: a bake for web-1 made it, and the next one deletes it\. .*image bake --host web-1/,
    );
  });
});

describe("a system image that Hetzner has deprecated", () => {
  /** Deprecated on 2026-08-31 in the emulator's catalogue. */
  const image = "debian-11";
  const idOf = async () =>
    String((await lab.api("GET", `/images?name=${image}&architecture=x86&include_deprecated=true`)).body.images[0].id);
  const order = async (which: string, name: string) =>
    (await lab.api("POST", "/servers", { name, server_type: "cx43", image: which, location: "nbg1" })).status;

  it.each([
    ["2026-11-30T23:59:59Z", true],
    ["2026-12-01T00:00:01Z", false],
  ])("at %s: can be ordered is %s, by name and by id, as with Hetzner and its provider", async (time, is) => {
    vi.useFakeTimers({ toFake: ["Date"], now: new Date(time) });
    for (const which of [image, await idOf()]) {
      const said = (await checkImage(hetzner(), { image: which, serverType: "cx43" })).map(problemSentence).join();
      if (is) expect(said).toBe("");
      else
        expect(said).toMatch(
          /^the image "?(debian-11|\d+)"? can no longer be ordered: Hetzner deprecated it on 2026-08-31\. Use e\.g\. debian-12/,
        );
      expect(await order(which, `d-${which}-${is}`)).toBe(is ? 201 : 422);
    }
  });
});
