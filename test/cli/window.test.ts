import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { project, token } from "../_project.ts";
import { done, type Lab, newServer, startLab } from "../emulator/_lab.ts";

const host = "clawdbot-fleet-host";
const clawdlets = join(process.cwd(), "bin", "clawdlets.mjs");
let lab: Lab;
let server: { id: number; ipv4: string };
let declaredId = 0;
beforeAll(async () => {
  lab = await startLab({ token });
  const rules = [{ direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] }];
  const firewall = { name: `${host}-fw`, labels: labelsOf(host), rules };
  declaredId = (await done(lab, "POST", "/firewalls", firewall)).body.firewall.id;
  const firewalls = [{ firewall: declaredId }];
  server = await newServer(lab, host, { labels: labelsOf(host), firewalls });
});
afterAll(() => lab.stop());

const inProject = (files: Parameters<typeof project>[0] = {}) => {
  const env = `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=${lab.emulator.endpoint}\nCLAWDLETS_SSH_PORT=${lab.emulator.sshPort}\n`;
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
    const ports = [{ address: server.ipv4, closed: true, seen: ["refused", "refused", "refused"] }, { version: 6 }];
    expect(closed.json()).toMatchObject({ ok: true, hosts: [{ host, closed: 1, ports }] });
    expect((await window(layout, "list")).stdout).toContain("no window");
  }, 30_000);

  it("closes though the stack file, stack.json and every other file are broken, and the state is locked", async () => {
    const layout = inProject();
    expect((await window(layout, "open")).exitCode).toBe(0);
    writeFileSync(layout.stackJson, "{");
    writeFileSync(hostLayoutOf(layout, host).stackFile, "config: [");
    const closed = await window(layout, "close", "--host", host);
    expect(closed.exitCode, closed.stderr).toBe(0);
    expect(closed.stdout).toContain("1 window closed; TCP/22 of ");
  }, 30_000);

  describe("where TCP/22 still answers", () => {
    const ssh = { direction: "in", protocol: "tcp", port: "22", source_ips: ["127.0.0.1/32"] };
    const setRules = (id: number, rules: object[]) => {
      return done(lab, "POST", `/firewalls/${id}/actions/set_rules`, { rules });
    };

    it("says that the host's own firewall opens it, which is not a failure", async () => {
      await setRules(declaredId, [ssh]);
      const closed = await window(inProject(), "close");
      await setRules(declaredId, []);
      expect(closed.stdout).toMatch(
        /no window was open; TCP\/22 of \S+ STILL ANSWERS: (open|accepting); .*-fw" \(\d+\)/,
      );
      expect(closed.exitCode).toBe(0);
    });

    it("fails and names another firewall that opens it", async () => {
      const apply_to = [{ type: "server", server: { id: server.id } }];
      const stray = { name: "stray", rules: [ssh], apply_to };
      const { id } = (await done(lab, "POST", "/firewalls", stray)).body.firewall;
      const closed = await window(inProject(), "close", "--json");
      await done(lab, "POST", `/firewalls/${id}/actions/remove_from_resources`, { remove_from: apply_to });
      expect(closed.json()).toMatchObject({ ok: false, hosts: [{ failed: expect.stringContaining('"stray"') }] });
      expect(closed.exitCode).toBe(8);
    });

    it("fails where no firewall is on the server", async () => {
      const target = [{ type: "server", server: { id: server.id } }];
      await done(lab, "POST", `/firewalls/${declaredId}/actions/remove_from_resources`, { remove_from: target });
      const closed = await window(inProject(), "close");
      await done(lab, "POST", `/firewalls/${declaredId}/actions/apply_to_resources`, { apply_to: target });
      expect([closed.exitCode, closed.stdout]).toEqual([8, expect.stringContaining("the lack of any firewall")]);
    });
  });

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
    [["--minutes", "0"], 2, "allowed: whole minutes, 1 to 240"],
    [["--minutes", "241"], 2, "allowed: whole minutes, 1 to 240"],
    [["--cidr", "203.0.113.7"], 2, '"203.0.113.7" has no prefix length'],
    [["--cidr", "0.0.0.0/1", "--cidr", "128.0.0.0/1"], 2, "covers all of IPv4"],
    [["--host", "web-9", "--cidr", "203.0.113.7/32"], 1, "Hetzner has no server for this host"],
    [["--host", "Web"], 2, "is not a host name"],
  ])("refuses to open with %j, before anything is opened", async (args, exitCode, message) => {
    const layout = inProject();
    const refused = await window(layout, "open", ...args);
    expect(refused.exitCode).toBe(exitCode);
    expect(refused.stderr).toContain(message);
    expect((await lab.api("GET", "/firewalls?label_selector=clawdlets-window")).body.firewalls).toEqual([]);
  });

  it("asks for --cidr when stack.json names no admin network", async () => {
    const refused = await window(inProject({ stack: null }), "open");
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("Pass your own network: --cidr 203.0.113.7/32");
  });
});
