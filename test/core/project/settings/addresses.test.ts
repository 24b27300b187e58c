import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { JournalWriter, readJournal } from "../../../../core/host/journal.ts";
import { loadHost } from "../../../../core/project/settings/host.ts";
import { checkRepo } from "../../../../core/tasks/doctor/repo.ts";
import { project, stackFile, temporaryFolder, token, upstreamStack } from "../../../_project.ts";

const host = "clawdbot-fleet-host";
const secret = "s3cretOfTheAddress";
const address = `https://me:${secret}@example.org/x`;
const install = (value: object) => ({ stackFile: `${stackFile}  clawdlets:install: ${JSON.stringify(value)}\n` });

describe("a setting that takes an address refuses one with credentials, and does not show them", () => {
  it.each<[setting: string, files: Parameters<typeof project>[0]]>([
    ["clawdlets:flake", { stackFile: `${stackFile}  clawdlets:flake: git+${address}\n` }],
    ["clawdlets:install.kexec", install({ kexec: `${address}.tar.gz` })],
    ["clawdlets:install.kexec", install({ kexec: "https://example.org/ghp_s3cretOfTheAddress/x.tar.gz" })],
    ["clawdlets:install.substituters.0", install({ substituters: [address] })],
    ["clawdlets:tailnetLoginServer", { stackFile: `${stackFile}  clawdlets:tailnetLoginServer: ${address}\n` }],
    ["base.flake", { stack: { ...upstreamStack, base: { flake: `git+${address}` } } }],
    ["HCLOUD_ENDPOINT", { env: `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=${address}\n` }],
  ])("%s", (setting, files) => {
    const said = (() => {
      try {
        return JSON.stringify(loadHost(project(files), host, {}));
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(said).toContain(`${setting}: `);
    expect(said).toContain("has a user, password or token in it");
    expect(said).not.toContain(secret);
  });
});

it("strips the credentials that an older version wrote into the journal", async () => {
  const path = join(temporaryFolder(), "install.json");
  const journal = new JournalWriter(path, { installId: "i", serverId: 1, address: "192.0.2.1" });
  await journal.installs(`git+https://me:${secret}@example.org/x?rev=1#web`, "c");
  await journal.step("kexec", `git+https://me:${secret}@example.org/x`);
  expect(JSON.stringify(readJournal(path))).not.toContain(secret);
  writeFileSync(path, JSON.stringify({ ...journal.journal, flake: `git+https://me:${secret}@example.org/x#web` }));
  expect(readJournal(path)?.flake).toBe("git+https://example.org/x#web");
});

it("doctor finds credentials in the flake's inputs", async () => {
  const layout = project();
  writeFileSync(join(layout.root, "flake.nix"), `{ inputs.a.url = "github:you/hosts"; }\n`);
  const url = `https://me:${secret}@example.org/x`;
  writeFileSync(join(layout.root, "flake.lock"), JSON.stringify({ nodes: { a: { locked: { type: "git", url } } } }));
  const { signal } = new AbortController();
  const findings = await checkRepo({ layout, hosts: [], environment: {}, sops: "sops", signal });
  const found = findings.find(({ check }) => check === "flake.lock");
  expect(found).toMatchObject({
    status: "problem",
    problem: expect.stringContaining("flake.lock has an input with a user"),
  });
  expect(JSON.stringify(found)).not.toContain(secret);
});
