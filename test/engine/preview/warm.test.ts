/**
 * `preview --ci` keeps the program and the policy pack loaded for many hosts. Its report must be the same as with processes for each
 * host.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { layoutOf } from "../../../core/project/layout.ts";
import { engineOrSetUp } from "../../../engine/environment.ts";
import { previewThrowaway } from "../../../engine/preview/throwaway.ts";
import { Clone } from "./_clone.ts";

let folder: string;
let clone: Clone;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-warm-"));
  clone = new Clone(join(folder, "clone"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs before the program, once for each host. */
function before(code: string): void {
  clone.edit(
    "index.ts",
    "const { settings",
    `const isFor = (name: string) => pulumi.getStack() === name;\n${code}\nconst { settings`,
  );
}

async function reportOf(hosts: string[], alone: boolean, base?: string) {
  const told: string[] = [];
  const tell = (text: string) => void told.push(text);
  const engine = await engineOrSetUp(tell);
  const signal = new AbortController().signal;
  const { hosts: all, ...rest } = await previewThrowaway({
    layout: layoutOf(clone.root),
    engine,
    hosts,
    base,
    tell,
    signal,
    alone,
  });
  // The folder's name and the time differ between any two runs.
  const ordered = all.map(({ changes, violations, ...host }) => ({
    ...host,
    // The engine works on several resources at once.
    changes: changes.map((each) => JSON.stringify(each)).sort(),
    violations: violations.map((each) => JSON.stringify(each)).sort(),
    seconds: 0,
  }));
  const comparable = JSON.stringify({ ...rest, hosts: ordered }, undefined, 1);
  const [byItself = ""] = told.flatMap((line) => /^previewed in processes of their own: (.+)/.exec(line)?.[1] ?? []);
  return { report: comparable.replaceAll(/clawdlets-preview-\w+/g, "…"), byItself };
}

it("reports on varied hosts as with processes for each, also against a base", async () => {
  await clone.host("plain");
  await clone.host("drawn", { location: ["nbg1", "fsn1"] });
  await clone.host("resized");
  await clone.host("dear", { serverType: "ccx63" });
  await clone.host("unprotected", { protect: "false" });
  writeFileSync(join(clone.root, "clawdlets-policy.json"), JSON.stringify({ "cost-above-limit": { monthlyEur: 20 } }));
  await clone.commit("hosts");
  clone.edit("stacks/Pulumi.resized.yaml", "cx43", "cx53");
  clone.edit("stacks/Pulumi.plain.yaml", "config:", "config:\n  clawdlets:sshExposure: public");
  await clone.host("added");
  const hosts = ["plain", "drawn", "resized", "dear", "unprotected", "added"];
  const together = await reportOf(hosts, false, "HEAD");
  expect(together.byItself).toBe("");
  expect(together.report).toBe((await reportOf(hosts, true, "HEAD")).report);
  expect(together.report).toContain("cost-above-limit");
}, 300_000);

it("gives processes of its own to a host whose program fails or exits, and no host sees what another one left behind", async () => {
  const hosts = ["a-leaves", "b-leaves", "c-after", "d-after", "e-throws", "f-ends", "g-last"];
  for (const host of hosts) await clone.host(host);
  before(`
    if ((globalThis as any).left || process.env["LEFT"]) throw new Error("left behind");
    if (pulumi.getStack().endsWith("-leaves")) { (globalThis as any).left = true; process.env["LEFT"] = "1"; }
    if (isFor("e-throws")) throw new Error("thrown for one host");
    if (isFor("f-ends")) process.exit(3);
  `);
  await clone.commit("a program of its own");
  const together = await reportOf(hosts, false);
  expect(together.byItself.split(", ").sort()).toEqual(["e-throws", "f-ends"]);
  expect(together.report).toBe((await reportOf(hosts, true)).report);
  expect(together.report).toContain("thrown for one host");
  expect(together.report).not.toContain("left behind");
}, 300_000);

it("gives every host processes of its own once three in a row have failed", async () => {
  const hosts = Array.from({ length: 8 }, (_, index) => `host-${index + 1}`);
  for (const host of hosts) await clone.host(host);
  before(`throw new Error("thrown for all");`);
  await clone.commit("a broken program");
  const { report, byItself } = await reportOf(hosts, false);
  expect(byItself.split(", ").sort()).toEqual(hosts);
  expect(report.match(/thrown for all/g)).toHaveLength(hosts.length);
}, 300_000);
