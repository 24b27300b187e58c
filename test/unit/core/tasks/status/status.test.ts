import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { costOf } from "../../../../../core/tasks/status/cost.ts";
import { revisionBy } from "../../../../../core/tasks/status/installation.ts";
import { pageOf } from "../../../../../core/tasks/status/page.ts";
import { secretsAge } from "../../../../../core/tasks/status/secrets-age.ts";
import type { HostStatus } from "../../../../../core/tasks/status/status.ts";
import { tableOf } from "../../../../../core/tasks/status/table.ts";
import { timelineOf } from "../../../../../core/tasks/status/timeline.ts";
import { temporaryFolder } from "../../../../_project.ts";

const at = (net: string) => [
  { location: "nbg1", price_hourly: { net: "0", gross: "0" }, price_monthly: { net, gross: net } },
];
const prices = {
  currency: "EUR",
  server_types: [{ id: 1, name: "cx43", prices: at("10.00") }],
  primary_ips: [{ type: "ipv4", prices: at("0.50") }],
  server_backup: { percentage: "20.0000" },
  volume: { price_per_gb_month: { net: "0.0440", gross: "0.05" } },
} as unknown as Parameters<typeof costOf>[0];
const paid = { serverType: "cx43", location: "nbg1", hasIpv4: true, hasBackups: false, volumeGb: 0 };

describe("what a host costs a month", () => {
  it.each<[string, Partial<typeof paid>, number | undefined]>([
    ["server and address", {}, 10.5],
    ["no address", { hasIpv4: false }, 10],
    ["a fifth of the server for backups", { hasBackups: true }, 12.5],
    ["volumes by the GB", { volumeGb: 50 }, 12.7],
    ["unknown where it is not sold", { location: "ash" }, undefined],
  ])("%s", (_, change, sum) => expect(costOf(prices, { ...paid, ...change })?.monthlyNet).toBe(sum));
});

describe("the age of secrets", () => {
  it("is that of the one left alone the longest, by sops' own date", () => {
    const folder = temporaryFolder();
    const write = (name: string, date: string) =>
      writeFileSync(join(folder, name), `${name}: ENC[x]\nsops:\n    lastmodified: "${date}"\n    version: 3.12.1\n`);
    write("new.yaml", "2026-03-01T00:00:00Z");
    write("old.yaml", "2026-01-01T12:00:00Z");
    writeFileSync(join(folder, "notes.txt"), "");
    expect(secretsAge(folder, new Date("2026-03-11T00:00:00Z"))).toEqual({ count: 2, oldestDays: 68, oldest: "old" });
  });

  it("is unknown where there are none", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "empty"));
    expect(secretsAge(join(folder, "empty"), new Date())).toBeUndefined();
    expect(secretsAge(join(folder, "nowhere"), new Date())).toBeUndefined();
  });
});

const host: HostStatus = {
  host: "web-1",
  ok: false,
  server: { id: 7, type: "cx43", location: "nbg1", state: "running" },
  ipv4: "203.0.113.7",
  ssh: "open",
  systemPath: "/nix/store/0123456789abcdef0123456789abcdef-nixos-system-web-1-26.05",
  seenOn: "host",
  drift: { update: 1 },
  cost: { monthlyNet: 10.5, currency: "EUR" },
  problems: ["TCP/22 of 203.0.113.7 is <open> from here"],
};

describe("the commit of a system that does not name it", () => {
  const [older, newer] = ["1".repeat(40), "2".repeat(40)];
  const journal = { systemPath: "/nix/store/a", flake: `github:you/hosts/${older}#web-1` };
  it.each<[string, string, { to: string; rev: string } | undefined, string | undefined]>([
    ["is that of the installation, if it still runs", "/nix/store/a", undefined, older],
    ["is that of the last change, if that is what runs", "/nix/store/b", { to: "/nix/store/b", rev: newer }, newer],
    ["is that of the installation after a roll back to it", "/nix/store/a", { to: "/nix/store/b", rev: newer }, older],
    ["is unknown for another generation", "/nix/store/c", { to: "/nix/store/b", rev: newer }, undefined],
    [
      "is unknown after a switch to the previous one",
      "/nix/store/b",
      { to: "/nix/store/b", rev: "previous" },
      undefined,
    ],
  ])("%s", (_, runs, activation, commit) => expect(revisionBy(runs, activation, journal)).toBe(commit));
});

describe("shown", () => {
  it("as a table with what is wrong below it, or as blocks where that is too wide", () => {
    const wide = tableOf([host, { ...host, host: "web-2" }], 400);
    expect(wide).toMatch(/^host +state +server/);
    expect(wide).toContain("web-1: TCP/22 of 203.0.113.7 is <open> from here");
    expect(wide).toContain("total: 21.00 EUR a month, net");
    const narrow = tableOf([host], 80);
    expect(narrow).toMatch(/^host {10}web-1\nstate {9}problem\n/);
    expect(Math.max(...narrow.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("with how many of its bots are healthy, if the host answered", () => {
    const [well, ill, off] = [
      { bot: "maren", state: "active", health: { ok: true, status: "live" } },
      { bot: "rex", state: "active", health: { ok: false, status: "starting" } },
      { bot: "sonja", state: "failed" },
    ];
    const cell = (bots: HostStatus["bots"]) =>
      /^bots +(.*)$/m.exec(tableOf([{ ...host, ...(bots && { bots }) }], 80))?.[1];
    expect([cell([well, ill, off]), cell([]), cell(undefined)]).toEqual(["1 of 3 healthy", "none", "?"]);
  });

  it.each<[string, string, Partial<HostStatus>, string]>([
    ["tailnet", "unknown", {}, "?"],
    ["tailnet", "a host that does not answer", { tailnet: "does not answer" }, "does not answer"],
    [
      "tailnet",
      "a key that never expires",
      { tailnet: "answers", tailnetKeyExpires: "never" },
      "answers, key never expires",
    ],
    [
      "tailnet",
      "a key that does",
      { tailnet: "answers", tailnetKeyExpires: "2027-03-01" },
      "answers, key expires 2027-03-01",
    ],
    ["revision", "of unknown age", { revision: "0123456789abcdef" }, "0123456789ab"],
    ["revision", "a day old", { revision: "0123456789abcdef", systemDays: 1 }, "0123456789ab, 1 day old"],
    ["revision", "of files that were not committed", { systemDays: 0 }, "no commit, 0 days old"],
    ["secrets", "one day old", { secrets: { count: 2, oldestDays: 1, oldest: "a" } }, "2, oldest 1 day"],
  ])("with the %s: %s", (title, _, change, text) => {
    const page = tableOf([{ ...host, ...change }], 80);
    expect(new RegExp(`^${title} +(.*)$`, "m").exec(page)?.[1]).toBe(text);
  });

  it("with the host's last change among the events of this machine's journals", () => {
    const window = { at: "2026-03-01T10:00:00Z", event: "closed", by: "install" } as Parameters<
      typeof timelineOf
    >[1][0];
    const change = { lastChange: "switched to 0123456789ab", lastChangeAt: "2026-03-02T10:00:00.000Z" };
    expect(timelineOf(undefined, [window], change)).toEqual([
      { at: change.lastChangeAt, kind: "change", text: change.lastChange },
      { at: window.at, kind: "window", text: "TCP/22 closed by install" },
    ]);
    expect(timelineOf(undefined, [window], { lastChange: "changing to 0123456789ab" })).toHaveLength(1);
  });

  it("as the page and the table that were reviewed", async () => {
    const closed: HostStatus = { ...host, host: "web-2", ok: true, ssh: "closed", drift: {}, problems: [] };
    const known: HostStatus = { ...closed, tailnet: "answers", tailnetKeyExpires: "2027-03-01", systemDays: 12 };
    const hosts = [
      { ...host, bots: [] },
      { ...known, revision: "0123456789abcdef" },
    ];
    await expect(pageOf(hosts, new Date("2026-03-11T00:00:00Z"))).toMatchFileSnapshot("golden/page.html");
    await expect(tableOf(hosts, 80)).toMatchFileSnapshot("golden/blocks.txt");
    await expect(tableOf(hosts, 400)).toMatchFileSnapshot("golden/table.txt");
  });

  it("as a page that loads nothing, runs nothing, and takes no text for markup", () => {
    const page = pageOf([host], new Date("2026-03-11T00:00:00Z"));
    expect(page).toContain("is &lt;open&gt; from here");
    const bot = { bot: "maren", state: "active", health: { ok: false, status: "<b>" }, restarts: 3 };
    const busy = pageOf([{ ...host, bots: [bot], lastChange: "switched to 0123456789ab" }], new Date(0));
    expect(busy).toContain("<li>maren: active, gateway NOT healthy (&lt;b&gt;), 3 restarts</li>");
    expect(busy).toContain("<dd>switched to 0123456789ab</dd>");
    expect(pageOf([{ ...host, ipv4: "203.0.113.7" }], new Date(0))).toContain("203.0.113.7");
    expect(page).not.toContain("last change");
    expect(page).not.toMatch(/<script|src=|href=|url\(|@import/i);
  });
});
