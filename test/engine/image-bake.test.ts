import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runDemo } from "../../cli/demo/run.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { readIdentityFile } from "../../core/project/secrets/keys/age.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { bakeLab } from "./_bake-lab.ts";

/** From `clawdlets image bake` to a locked host made of the snapshot, by the real command and the real engine. */
const lines: string[] = [];
const progress = Object.assign((text: string) => void lines.push(text), { startedAt: Date.now() });
let lab: Awaited<ReturnType<typeof bakeLab>>;
beforeAll(async () => {
  lab = await bakeLab(progress);
}, 120_000);
afterAll(() => lab?.stop());

/** Every file of the snapshot's disk, by its path. */
function filesOf(image: number): Map<string, string> {
  const disk = join(lab.data, "images", String(image));
  const names = readdirSync(disk, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(disk.length), readFileSync(path, "utf8")];
    }),
  );
}

describe("is refused before anything is bought", () => {
  it.each<[string, Record<string, unknown>, string[], RegExp]>([
    ["an image that Hetzner does not have", { image: "debian-99" }, [], /has no image named "debian-99"/],
    ["an empty pool", { location: ["ash", "hil"] }, [], /"cx43" is not sold in ash, hil/],
    ["a type that is sold out", {}, ["cx43 nbg1"], /"cx43" is sold out in nbg1.*locations that have cx43: fsn1, hel1/],
    [
      "a list that names its first type twice",
      { serverTypes: ["cx43"] },
      [],
      /serverTypes\.0: is "cx43", which is serverType/,
    ],
    [
      "types that are sold out",
      { serverTypes: ["cx53"] },
      ["cx43 nbg1", "cx53 nbg1"],
      /"cx43" is sold out in nbg1; "cx53" is sold out in nbg1/,
    ],
  ])("%s", async (_, settings, soldOut, reason) => {
    const { demo, api } = lab;
    const { stackFile } = hostLayoutOf(demo.layout, demo.host);
    const before = readFileSync(stackFile, "utf8");
    const sold = soldOut.map((place) => ({ type: place.split(" ")[0], location: place.split(" ")[1] }));
    await addToStackFile(demo.layout, demo.host, settings, Object.keys(settings) as never);
    await api("POST", "/_emulator/sold-out", sold);
    try {
      for (const args of [["--dry-run"], []]) {
        const { exitCode, all } = await lab.clawdlets("image", "bake", ...args);
        expect([exitCode, all]).toEqual([3, expect.stringMatching(reason)]);
      }
      const { requests } = await demo.report();
      expect(Object.keys(requests).filter((each) => each.startsWith("POST"))).toEqual([]);
    } finally {
      writeFileSync(stackFile, before);
      await api("POST", "/_emulator/sold-out", []);
    }
  });
});

it("becomes a locked host, with no identity in the snapshot", async () => {
  const { demo, left } = lab;
  const dry = await lab.clawdlets("image", "bake", "--dry-run");
  expect([dry.exitCode, await left()], dry.all).toEqual([0, [0, 0, 0, 0]]);
  const { exitCode, stdout, all } = await lab.clawdlets("image", "bake", "--json");
  expect(exitCode, all).toBe(0);
  const baked = JSON.parse(stdout);
  expect(baked).toMatchObject({ ok: true, host: demo.host, diskGb: 160, architecture: "x86" });
  expect(await left()).toEqual([0, 0, 0, 1]);

  const files = filesOf(baked.image);
  expect(
    [...files.keys()].filter((path) => /ssh_host_|key\.txt|install-id|tailscale|machine-id|secrets\/hosts/.test(path)),
  ).toEqual([]);
  expect(files.get("/var/lib/clawdlets/image")).toBe(`${demo.host}\n`);
  const host = hostLayoutOf(demo.layout, demo.host);
  const pair = await readIdentityFile(host.identity);
  const hostKey = readFileSync(host.hostKey, "utf8").split("\n")[2] ?? "";
  const secret = readFileSync(join(host.secrets, "tailscale_auth_key.yaml"), "utf8").split("\n")[0] ?? "";
  const needles = [pair?.identity ?? "", hostKey, secret].map(String);
  expect(needles.every((needle) => needle.length > 20)).toBe(true);
  for (const needle of needles) expect([...files].filter(([, text]) => text.includes(needle))).toEqual([]);

  await addToStackFile(demo.layout, demo.host, { image: String(baked.image), install: { mode: "snapshot" } }, [
    "image",
    "install",
  ]);
  const { ssh, sshFromElsewhere, installRuns, apiRequests, seconds } = await runDemo(demo, progress);
  // A full installation has kexec and install for deliver, and asks for its image once instead of three times.
  const steps = ["create", "check", "open", "connect", "deliver", "reboot", "confirm", "tailnet", "close", "total"];
  expect(Object.keys(seconds)).toEqual(steps);
  const { "GET /actions": _, ...requests } = apiRequests;
  expect(Object.values(requests).reduce((sum, each) => sum + each)).toBe(17);
  expect({
    sshFromElsewhere,
    installRuns,
    before: ssh.beforeInstall,
    during: ssh.duringInstall,
    after: ssh.afterInstall,
  }).toEqual({
    sshFromElsewhere: "closed",
    // Counts nixos-install, which does not run.
    installRuns: 0,
    before: "closed",
    during: "open",
    after: "closed",
  });
}, 400_000);
