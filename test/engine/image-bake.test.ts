import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { readIdentityFile } from "../../core/project/secrets/keys/age.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

/** From `clawdlets image bake` to a locked host made of the snapshot, by the real command and the real engine. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-bake-"));
const data = join(folder, "emulator");
const engine = findEngine(repository);
const lines: string[] = [];
const progress = Object.assign((text: string) => void lines.push(text), { startedAt: Date.now() });
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data });
}, 120_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => engineEnvironment(demo.layout, engine ?? ({} as never));
const api = (method: string, path: string, body?: unknown) =>
  clientOf(environment()["HCLOUD_ENDPOINT"] ?? "", environment()["HCLOUD_TOKEN"] ?? "")(method, path, body);

const bake = (...args: string[]) =>
  execa(join(repository, "bin", "clawdlets"), ["image", "bake", "--host", demo.host, ...args], {
    cwd: demo.layout.root,
    env: environment(),
    reject: false,
    all: true,
  });

/** Everything that costs money or blocks a name. */
async function left(): Promise<unknown> {
  const [servers, firewalls, keys, images] = await Promise.all(
    ["servers", "firewalls", "ssh_keys", "images?type=snapshot"].map(
      async (path) => (await api("GET", `/${path}`)).body,
    ),
  );
  return [servers.servers.length, firewalls.firewalls.length, keys.ssh_keys.length, images.images.length];
}

/** Every file of the snapshot's disk, by its path. */
function filesOf(image: number): Map<string, string> {
  const disk = join(data, "images", String(image));
  const names = readdirSync(disk, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(disk.length), readFileSync(path, "utf8")];
    }),
  );
}

it("becomes a locked host, with no identity in the snapshot", async () => {
  const dry = await bake("--dry-run");
  expect([dry.exitCode, await left()], dry.all).toEqual([0, [0, 0, 0, 0]]);
  const { exitCode, stdout, all } = await bake("--json");
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
