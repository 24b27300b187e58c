import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../../../cli/demo/prepare.ts";
import { readBootstrapKeys } from "../../../../core/host/install/bootstrap-keys.ts";
import { readJournal } from "../../../../core/host/journal.ts";
import { probePort } from "../../../../core/host/reach/probe.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { addToStackFile } from "../../../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../../../engine/environment.ts";
import { findEngine } from "../../../../engine/find-engine.ts";
import { up } from "../../../../engine/up.ts";

/** A host that is installed again on purpose: by the real engine, on the emulator, protected as a real one is. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-reinstall-"));
const lines: string[] = [];
const progress = Object.assign((text: string) => void lines.push(text), { startedAt: Date.now() });
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator") });
  await addToStackFile(demo.layout, demo.host, { protect: true }, ["protect"]);
  await up({ ...demo, environment: process.env, progress });
}, 120_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const seen = async () => (await demo.report()).servers.find(({ name }) => name === demo.host);
const files = () => hostLayoutOf(demo.layout, demo.host);
const engine = findEngine(process.cwd());
const environment = () => engineEnvironment(demo.layout, engine ?? ({} as never));

async function protection(): Promise<{ delete: boolean; rebuild: boolean }> {
  const server = await seen();
  const response = await fetch(`${environment()["HCLOUD_ENDPOINT"]}/servers/${server?.id}`, {
    headers: { authorization: `Bearer ${environment()["HCLOUD_TOKEN"]}` },
  });
  return ((await response.json()) as { server: { protection: { delete: boolean; rebuild: boolean } } }).server
    .protection;
}

describe("raising clawdlets:reinstall", () => {
  it("is said to wipe the disk, in the preview already", async () => {
    await addToStackFile(demo.layout, demo.host, { reinstall: 1 }, ["reinstall"]);
    const { all } = await execa(engine?.pulumi ?? "pulumi", ["preview", "--stack", demo.host, "--non-interactive"], {
      cwd: demo.layout.root,
      env: environment(),
      all: true,
    });
    expect(all).toMatch(/clawdlets:reinstall is 1, .* WIPES THE DISK of this server/);
    expect(await seen()).toMatchObject({ installRuns: 1, diskWipes: 1 });
  }, 60_000);

  it("installs again on the same server, with other one-time keys, and leaves it protected and closed", async () => {
    const before = await seen();
    const keysBefore = readBootstrapKeys(files())?.hostPublicKey;
    const idBefore = readJournal(files().journal)?.installId;
    await up({ ...demo, environment: process.env, progress });
    const after = await seen();
    expect(after).toMatchObject({ id: before?.id, ipv4: before?.ipv4, os: "nixos", installRuns: 2 });
    expect(after?.bootId).not.toBe(before?.bootId);
    expect(readBootstrapKeys(files())?.hostPublicKey).not.toBe(keysBefore);
    const journal = readJournal(files().journal);
    expect(journal).toMatchObject({ state: "done", disk: "installed" });
    expect(journal?.installId).not.toBe(idBefore);
    expect(journal?.steps.map(({ step }) => step)).toContain("rebuild");
    expect(await protection()).toEqual({ delete: true, rebuild: true });
    expect(await probePort(after?.ipv4 ?? "", demo.sshPort, { timeoutMs: 2000 })).toBe("refused");
  }, 120_000);

  it("then has nothing to do, and warns of nothing", async () => {
    const before = await seen();
    lines.length = 0;
    const { changes } = await up({ ...demo, environment: process.env, progress });
    expect(Object.keys(changes)).toEqual(["same"]);
    expect(lines.join("\n")).not.toContain("WIPES");
    expect(await seen()).toMatchObject({ installRuns: 2, bootId: before?.bootId });
  }, 60_000);

  it("is what it takes: a host with an id that is not one of its earlier ones is left alone", async () => {
    const before = await seen();
    const journal = readFileSync(files().journal, "utf8");
    rmSync(files().journal);
    const facts = JSON.stringify({ serverId: before?.id, address: before?.ipv4, installId: "f".repeat(16) });
    const { exitCode, stderr } = await execa(
      join(process.cwd(), "bin", "clawdlets"),
      ["install", "--host", demo.host],
      {
        cwd: demo.layout.root,
        env: { ...environment(), CLAWDLETS_FACTS: facts },
        reject: false,
      },
    );
    writeFileSync(files().journal, journal, { mode: 0o600 });
    expect(exitCode).toBe(7);
    expect(stderr).toMatch(/It was not changed/);
    expect(await seen()).toMatchObject({ installRuns: 2, bootId: before?.bootId });
  }, 60_000);
});
