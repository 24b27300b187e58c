import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { project, token } from "../_project.ts";
import { type Lab, newServer, startLab } from "../emulator/_lab.ts";

const host = "clawdbot-fleet-host";
const clawdlets = join(process.cwd(), "bin", "clawdlets.mjs");
let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ token });
  await newServer(lab, host, { labels: labelsOf(host) });
});
afterAll(() => lab.stop());

const inProject = (files: Parameters<typeof project>[0] = {}) => {
  const env = `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=${lab.emulator.endpoint}\n`;
  return project({ env, ...files });
};

const window = async (layout: Layout, ...args: string[]) => {
  const result = await execa(process.execPath, [clawdlets, "window", ...args], { cwd: layout.root, reject: false });
  return { ...result, json: () => JSON.parse(result.stdout) };
};

describe("clawdlets window", () => {
  it("opens to the admin network of stack.json for some minutes, is listed, and closes", async () => {
    const layout = inProject();
    const before = Date.now();
    const opened = await window(layout, "open", "--minutes", "5", "--json");
    expect(opened.exitCode, opened.stderr).toBe(0);
    expect(opened.json()).toMatchObject({ ok: true, host, window: { cidrs: ["203.0.113.10/32"], overdue: false } });
    const until = Date.parse(opened.json().window.until);
    expect(until).toBeGreaterThanOrEqual(before + 5 * 60_000);
    expect(until).toBeLessThanOrEqual(Date.now() + 5 * 60_000);

    const listed = await window(layout, "list", "--history", "--json");
    expect(listed.exitCode).toBe(0);
    expect(listed.stderr).toContain("OPEN to 203.0.113.10/32 until ");
    const [{ windows, history }] = listed.json().hosts;
    expect(windows).toMatchObject([{ open: true, host }]);
    expect(history.map(({ event }: { event: string }) => event)).toEqual(["opening", "open"]);

    const closed = await window(layout, "close", "--json");
    expect(closed.json()).toEqual({ ok: true, hosts: [{ host, closed: 1 }] });
    expect((await window(layout, "list")).stdout).toContain("no window");
  }, 30_000);

  it("closes though the stack file, stack.json and every other file are broken, and the state is locked", async () => {
    const layout = inProject();
    expect((await window(layout, "open")).exitCode).toBe(0);
    writeFileSync(layout.stackJson, "{");
    writeFileSync(hostLayoutOf(layout, host).stackFile, "config: [");
    const closed = await window(layout, "close", "--host", host);
    expect(closed.exitCode, closed.stderr).toBe(0);
    expect(closed.stdout).toContain("1 window(s) closed");
  }, 30_000);

  it("says with its exit code that one is past its deadline", async () => {
    const layout = inProject();
    const overdue = { "clawdlets-window": host, "clawdlets-until": "1700000000" };
    const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["203.0.113.7/32"] }];
    await lab.api("POST", "/firewalls", { name: "left", labels: overdue, rules });
    const listed = await window(layout, "list", "--json");
    expect(listed.exitCode).toBe(8);
    expect(listed.json()).toMatchObject({ ok: false, hosts: [{ windows: [{ overdue: true }] }] });
    await window(layout, "close");
  }, 30_000);

  it.each([
    [["--minutes", "0"], 2, "Allowed: whole minutes, 1 to 240"],
    [["--minutes", "241"], 2, "Allowed: whole minutes, 1 to 240"],
    [["--cidr", "203.0.113.7"], 2, '"203.0.113.7" has no prefix length'],
    [["--cidr", "0.0.0.0/1", "--cidr", "128.0.0.0/1"], 2, "covers all of IPv4"],
    [["--host", "web-9", "--cidr", "203.0.113.7/32"], 1, "Hetzner has none"],
    [["--host", "Web"], 2, "is no host name"],
  ])("refuses to open with %j, before anything is opened", async (args, exitCode, message) => {
    const layout = inProject();
    const refused = await window(layout, "open", ...args);
    expect(refused.exitCode).toBe(exitCode);
    expect(refused.stderr).toContain(message);
    expect((await lab.api("GET", "/firewalls?label_selector=clawdlets-window")).body.firewalls).toEqual([]);
  });

  it("says where the network is to be named when stack.json does not", async () => {
    const refused = await window(inProject({ stack: null }), "open");
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("Name your own network: --cidr 203.0.113.7/32");
  });
});
