import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { project, stackFile } from "../_project.ts";
import { repository } from "../_repository.ts";
import { done, type Lab, startLab } from "../emulator/_lab.ts";

/** `clawdlets image list` and `image delete` against the emulator, on snapshots with the labels that `image bake` sets. */
let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.stop());

const host = "clawdbot-fleet-host";
const commit = "0123456789abcdef0123456789abcdef01234567";
/** Ids: two baked ones of the host, one of another host, a person's own, and one that a killed bake left. */
let [used, spare, foreign, own, unfinished]: number[] = [];

beforeEach(async () => {
  for (const id of await snapshots()) await lab.api("DELETE", `/images/${id}`);
  const server = { name: `base-${Date.now()}`, server_type: "cx23", image: "debian-12" };
  const { id } = (await done(lab, "POST", "/servers", server)).body.server;
  const made: number[] = [];
  for (const labels of [
    { "clawdlets-image": host, "clawdlets-revision": commit },
    { "clawdlets-image": host },
    { "clawdlets-image": "web-9" },
    { mine: "yes" },
    { "clawdlets-baking": host },
  ]) {
    const order = { type: "snapshot", labels, description: "canary" };
    made.push((await done(lab, "POST", `/servers/${id}/actions/create_image`, order)).body.image.id);
  }
  [used, spare, foreign, own, unfinished] = made;
  await done(lab, "DELETE", `/servers/${id}`);
}, 60_000);

const snapshots = async (): Promise<number[]> =>
  (await lab.api("GET", "/images?type=snapshot")).body.images.map(({ id }: { id: number }) => id);

async function clawdlets(...args: string[]) {
  const env = `HCLOUD_TOKEN=${lab.emulator.token}\nHCLOUD_ENDPOINT=${lab.emulator.endpoint}\n`;
  const layout = project({ env, stackFile: `${stackFile}  clawdlets:image: "${used}"\n` });
  const command = join(repository, "bin", "clawdlets");
  return execa(command, ["image", ...args], { cwd: layout.root, reject: false, stdin: "ignore" });
}

it("list shows the finished ones, oldest first, with who uses them", async () => {
  const { exitCode, stdout, stderr } = await clawdlets("list", "--json");
  expect(exitCode, stderr).toBe(0);
  const { images } = JSON.parse(stdout);
  expect(images).toMatchObject([
    { image: used, host, architecture: "x86", revision: commit, usedBy: [host] },
    { image: spare, host, usedBy: [] },
    { image: foreign, host: "web-9", usedBy: [] },
  ]);
  expect(images).toHaveLength(3);
  const text = (await clawdlets("list", "--host", host)).stdout;
  expect(text.split("\n")).toEqual([
    expect.stringMatching(new RegExp(`^${used}  ${host} at 0123456789ab  x86 .* used by ${host}$`)),
    expect.stringMatching(new RegExp(`^${spare}  ${host}  x86 .* used by no stack file$`)),
  ]);
  expect((await clawdlets("list", "--host", "web-8")).stdout).toBe("no snapshots");
}, 60_000);

it("delete refuses what is in use, what it did not make, and what is unfinished", async () => {
  const before = await snapshots();
  const refusals: [number | undefined, string][] = [
    [used, `stacks/Pulumi.${host}.yaml starts a server from it`],
    [own, `is not a snapshot of "image bake"`],
    [unfinished, `it has ${used}, ${spare}, ${foreign}`],
    [999_999_999, `is not a snapshot of "image bake"`],
  ];
  for (const [id, said] of refusals) {
    const { exitCode, stderr } = await clawdlets("delete", String(id), "--yes");
    expect([exitCode, stderr], stderr).toEqual([3, expect.stringContaining(said)]);
    expect(stderr).toContain("Nothing was deleted.");
  }
  for (const wrong of ["0", "-1", "1e9", "web-1", ""])
    expect((await clawdlets("delete", "--yes", "--", wrong)).exitCode, wrong).toBe(2);
  expect(await snapshots()).toEqual(before);
}, 60_000);

it("delete asks first, deletes one, and leaves the others", async () => {
  const before = await snapshots();
  const unasked = await clawdlets("delete", String(spare));
  expect([unasked.exitCode, unasked.stderr]).toEqual([2, expect.stringContaining("Pass --yes.")]);
  const dry = await clawdlets("delete", String(spare), "--dry-run", "--json");
  expect(JSON.parse(dry.stdout)).toMatchObject({ ok: true, dryRun: true, image: spare });
  expect(await snapshots()).toEqual(before);
  const { exitCode, stdout, stderr } = await clawdlets("delete", String(spare), "--yes");
  expect([exitCode, stdout], stderr).toEqual([0, expect.stringMatching(new RegExp(`^deleted ${spare} `))]);
  expect(await snapshots()).toEqual(before.filter((id) => id !== spare));
}, 60_000);
