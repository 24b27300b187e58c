import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { openWindow } from "../../core/host/window/open-window.ts";
import { closeWindowsOf, newRun } from "../../core/host/window/window.ts";
import { type Lab, newKey, startLab } from "../emulator/_lab.ts";
import { repository, Stack } from "../toolchain/_stack.ts";

/**
 * What the real provider asks of Hetzner when a firewall changes, in order: one server, whose firewall is changed in every way a
 * program can change it. Each test begins with the plain declaration in force.
 */
let lab: Lab;
let stack: Stack;
/** What the first run asked for. */
let created: Request[];

const program = `
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { HetznerServer, HostFirewall } from "${repository}/components/index.ts";

const { host, later, keys, keepsWindow = false, ...args } = JSON.parse(readFileSync("args.json", "utf8"));
const firewall = new HostFirewall("h", { host, ...args });
const server = new HetznerServer("h", {
  host: "web-1", serverType: "cx23", location: "nbg1", image: "debian-12",
  firewallIds: [firewall.firewallId], bootstrapKeys: keys, protect: false, keepsWindow,
});
// A second firewall whose networks are known only once something has been made.
if (later) new HostFirewall("later", { host: "later", sshExposure: "public", adminCidrs: server.serverId.apply(() => later) });
`;

interface Request {
  method: string;
  template: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes, looked into by the tests
  body: any;
}

beforeAll(async () => {
  lab = await startLab({ actionMs: 50 });
  stack = new Stack(program);
  const [host, client] = [await newKey(lab, "host"), await newKey(lab, "client")];
  Object.assign(stack.env, { HCLOUD_ENDPOINT: lab.emulator.endpoint, HCLOUD_TOKEN: lab.emulator.token });
  keys = { hostPrivateKey: host.privateKey, hostPublicKey: host.publicKey, clientPublicKey: client.publicKey };
  await stack.init();
  created = await up({});
}, 120_000);
beforeEach(async () => void (await up({})), 120_000);
afterAll(async () => {
  stack?.remove();
  await lab?.stop();
});

let keys: Record<string, string> = {};
const declare = (args: object) => stack.write("args.json", JSON.stringify({ host: "web-1", keys, ...args }));

/** Everything that is not a question, since the last time. */
let read = 0;
function writes(): Request[] {
  const text = readFileSync(join(lab.emulator.dataDir, "requests.jsonl"), "utf8");
  const lines = text.split("\n").filter((line) => line !== "");
  const all: Request[] = lines.slice(read).map((line) => JSON.parse(line));
  read = lines.length;
  return all.filter(({ method }) => method !== "GET");
}
const asked = (requests: readonly Request[]) => requests.map(({ method, template }) => `${method} ${template}`);

async function up(args: object, ...options: string[]): Promise<Request[]> {
  declare(args);
  writes();
  const { exitCode, all } = await stack.up(...options);
  expect(exitCode, all).toBe(0);
  return writes();
}

const serverId = () => lab.emulator.report().servers[0]?.id ?? 0;
const onServer = async () => (await lab.api("GET", `/servers/${serverId()}`)).body.server.public_net.firewalls;

describe("a firewall on the real engine", () => {
  it("is on the server from its creation, with its rules", () => {
    const order = asked(created).filter((each) => !each.includes("ssh_keys"));
    expect(order).toEqual(["POST /firewalls", "POST /servers"]);
    expect(created.find(({ template }) => template === "/firewalls")?.body.rules).toHaveLength(1);
    expect(created.find(({ template }) => template === "/servers")?.body.firewalls).toHaveLength(1);
  });

  const toAdmins = { sshExposure: "public", adminCidrs: ["203.0.113.7/32"] };
  it.each<[string, object, number, object?]>([
    ["opened to the admins", toAdmins, 2],
    [
      "given a team's rules",
      { ...toAdmins, rules: [{ protocol: "tcp", port: 443, sourceIps: ["0.0.0.0/0", "::/0"] }] },
      3,
    ],
    ["given other ones", { rules: [{ protocol: "udp", port: "41641", sourceIps: ["0.0.0.0/0"] }] }, 2],
    ["closed again", {}, 1, toAdmins],
  ])(
    "is %s by one set_rules, and never leaves the server",
    async (_, args, rules, from = {}) => {
      await up(from);
      const before = await onServer();
      const requests = await up(args);
      expect(asked(requests)).toEqual(["POST /firewalls/{id}/actions/set_rules"]);
      expect(requests[0]?.body.rules).toHaveLength(rules);
      expect(await onServer()).toEqual(before);
    },
    120_000,
  );

  it("takes another name and other labels with its rules left alone", async () => {
    const before = await onServer();
    const requests = await up({ host: "web-2" });
    expect(new Set(asked(requests))).toEqual(new Set(["PUT /firewalls/{id}"]));
    expect(requests.some(({ body }) => body.name === "web-2-fw")).toBe(true);
    expect(requests.some(({ body }) => body.labels?.["clawdlets-host"] === "web-2")).toBe(true);
    expect(await onServer()).toEqual(before);
  }, 120_000);

  it("cannot be replaced under a running server: the name is taken, and nothing is detached", async () => {
    const before = await onServer();
    const urn = stack.resources.find(({ type }) => type === "hcloud:index/firewall:Firewall")?.urn ?? "";
    declare({});
    writes();
    const { exitCode, all } = await stack.up("--replace", urn);
    expect(exitCode).not.toBe(0);
    expect(all).toContain("uniqueness_error");
    expect(asked(writes()).filter((each) => !each.endsWith("POST /firewalls"))).toEqual([]);
    expect(await onServer()).toEqual(before);
  }, 120_000);

  it("lets a window that is kept open on purpose stay, and takes it off once it is not", async () => {
    const hetzner = createHetzner(lab.emulator);
    const [own] = await onServer();
    const window = { host: "web-1", serverId: serverId(), installId: "0".repeat(16), run: newRun() };
    await openWindow(hetzner, { ...window, adminCidrs: ["203.0.113.7/32"] });
    expect(asked(await up({ sshExposure: "bootstrap", keepsWindow: true }, "--refresh"))).toEqual([]);
    expect(await onServer()).toHaveLength(2);
    expect(asked(await up({}, "--refresh"))).toEqual(["POST /firewalls/{id}/actions/remove_from_resources"]);
    expect(await onServer()).toEqual([own]);
    await closeWindowsOf(hetzner, "web-1");
  }, 120_000);
});

describe("a declaration that opens TCP/22 to the world", () => {
  const world = { rules: [{ protocol: "tcp", port: "1-1024", sourceIps: ["::ffff:0:0/96"] }] };

  it("is refused in the preview, by property path, and nothing is asked of Hetzner", async () => {
    declare(world);
    writes();
    const { exitCode, all } = await stack.run("preview", "--stack", "s");
    expect(exitCode).not.toBe(0);
    expect(all).toMatch(/rules\[0\] opens TCP\/22 to the world/);
    expect(writes()).toEqual([]);
  }, 120_000);

  it("is taken for what it may be where the admins are not known, as in CI: the preview goes on, an up does not", async () => {
    declare({ sshExposure: "public" });
    const previewed = await stack.run("preview", "--stack", "s", "--expect-no-changes");
    expect(previewed.exitCode, previewed.all).toBe(0);
    expect(previewed.all).toMatch(/the admin networks are not known here: this preview omits the firewall's rules/);
    writes();
    const { exitCode, all } = await stack.up();
    expect(exitCode).not.toBe(0);
    expect(all).toMatch(/but adminCidrs is empty/);
    expect(writes()).toEqual([]);
  }, 120_000);

  it("is refused where it shows only later, before the rule is written", async () => {
    declare({ later: ["0.0.0.0/1", "128.0.0.0/1"] });
    writes();
    const { exitCode, all } = await stack.up();
    expect(exitCode).not.toBe(0);
    expect(all).toMatch(/adminCidrs covers all of IPv4/);
    expect(asked(writes())).toEqual([]);
  }, 120_000);

  it("is taken when it is typed out, with a warning at every run", async () => {
    const args = { ...world, allowWorldOpenSsh: true };
    declare(args);
    for (const _ of ["first", "again"]) {
      const { exitCode, all } = await stack.up();
      expect(exitCode, all).toBe(0);
      expect(all).toMatch(/warning: web-1: TCP\/22 IS OPEN TO THE WORLD by allowWorldOpenSsh/);
    }
  }, 120_000);
});
