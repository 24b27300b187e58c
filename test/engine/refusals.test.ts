import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";

/** Plain `pulumi up`, the way a person would by hand, on a project that has one thing wrong. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-refusals-"));
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
}, 60_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const engine = findEngine(process.cwd());
const up = () =>
  execa(engine?.pulumi ?? "pulumi", ["up", "--yes", "--skip-preview", "--non-interactive", "--stack", demo.host], {
    cwd: demo.layout.root,
    env: engineEnvironment(demo.layout, engine ?? ({} as never)),
    reject: false,
    all: true,
  });

const preview = () =>
  execa(engine?.pulumi ?? "pulumi", ["preview", "--non-interactive", "--stack", demo.host], {
    cwd: demo.layout.root,
    env: engineEnvironment(demo.layout, engine ?? ({} as never)),
    reject: false,
    all: true,
  });

/** Requests that made something. */
const writes = async () => Object.keys((await demo.report()).requests).filter((request) => request.startsWith("POST"));

describe("nothing is created while", () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ["the server type is not sold", { serverType: "cx99" }, /"cx99" is not sold by Hetzner.*available: .*cx43/s],
    [
      "the location does not have the type",
      { location: "xyz1" },
      /clawdlets:location: "xyz1" does not have cx43.*it is sold in .*nbg1/s,
    ],
    [
      "it costs more than a stack may",
      { serverType: "ccx63" },
      /"ccx63" costs 827\.99 EUR a month net in nbg1.*limit is 100/s,
    ],
    ["Hetzner has no such image", { image: "debian-99" }, /clawdlets:image: Hetzner has no image named "debian-99"/],
    ["the image is unknown to the project", { image: "1" }, /Hetzner has no image with the id 1 in the project/],
    ["the image is for ARM", { image: "103908130" }, /the image 103908130 is for arm, but .*"cx43" is x86/],
    [
      "the image to start from may hold an identity",
      { image: "67794396", install: { mode: "snapshot" } },
      /the image 67794396 was not made by "image bake", so it may hold the identity of a host/,
    ],
    [
      "no location of the list has the type",
      { location: ["ash", "hil"] },
      /"cx43" is not sold in ash, hil.*Types in stock: ash: .*hil: .*Other locations: cx43 in .*nbg1/s,
    ],
    [
      "every type of the list is discontinued",
      { serverType: "cx42", serverTypes: ["cx52"] },
      /"cx42" is discontinued \(since 2026-01-01\) in nbg1; "cx52" is discontinued.*Types in stock: nbg1: .*cx43/s,
    ],
    [
      "a further type is of another architecture",
      { serverTypes: ["cax31"] },
      /clawdlets:serverTypes\.0: is "cax31", which is arm, but serverType "cx43" is x86/,
    ],
    [
      "a further type is the first",
      { serverTypes: ["cx53", "cx43"] },
      /clawdlets:serverTypes\.1: is "cx43", which is serverType, and always tried first/,
    ],
    [
      "a setting is unknown",
      { serverTyp: "cx43" },
      /clawdlets:serverTyp: unknown setting \(did you mean "serverType"\?\)/,
    ],
  ])(
    "%s",
    async (_, settings, reason) => {
      const { stackFile } = hostLayoutOf(demo.layout, demo.host);
      const before = readFileSync(stackFile, "utf8");
      const stackJson = readFileSync(demo.layout.stackJson, "utf8");
      await addToStackFile(demo.layout, demo.host, settings, ["serverType"]);
      // Both files name the type; here it is the catalogue that is to refuse it.
      if ("serverType" in settings)
        writeFileSync(demo.layout.stackJson, stackJson.replace("cx43", String(settings["serverType"])));
      try {
        const { exitCode, all } = await up();
        expect(exitCode).not.toBe(0);
        expect(all).toMatch(reason);
        const previewed = await preview();
        expect([previewed.exitCode === 0, previewed.all]).toEqual([false, expect.stringMatching(reason)]);
        expect(await writes()).toEqual([]);
      } finally {
        writeFileSync(stackFile, before);
        writeFileSync(demo.layout.stackJson, stackJson);
      }
    },
    180_000,
  );

  it("a secret cannot be read by the host's key", async () => {
    const file = join(hostLayoutOf(demo.layout, demo.host).secrets, "tailscale_auth_key.yaml");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace(/data:[A-Za-z0-9+/=]{4}/, "data:AAAA"));
    try {
      const { exitCode, all } = await up();
      expect(exitCode).not.toBe(0);
      expect(all).toMatch(/tailscale_auth_key: sops could not decrypt/);
      expect(await writes()).toEqual([]);
    } finally {
      writeFileSync(file, before);
    }
  }, 180_000);
});
