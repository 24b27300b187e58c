import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pointAt } from "../../../../cli/shared/emulator-env.ts";
import { labelsOf } from "../../../../core/base/hetzner/labels.ts";
import { makePrivateFolder } from "../../../../core/base/machine/private-files.ts";
import { ensureSshKey } from "../../../../core/base/machine/ssh-keys.ts";
import { keepCopy, lostFiles } from "../../../../core/project/copies/keep.ts";
import { readRoster } from "../../../../core/project/groups/roster.ts";
import { hostLayoutOf, type Layout } from "../../../../core/project/layout.ts";
import { openSecrets } from "../../../../core/project/secrets/open.ts";
import { readSecret } from "../../../../core/project/secrets/store.ts";
import { addToStackFile, readRawStackFile } from "../../../../core/project/settings/stack-file.ts";
import { forgetMember } from "../../../../core/tasks/groups/forget.ts";
import { ensureMember } from "../../../../core/tasks/groups/member.ts";
import { initSecrets } from "../../../../core/tasks/init.ts";
import { findEngine } from "../../../../engine/find-engine.ts";
import { project } from "../../../_project.ts";
import { repository } from "../../../_repository.ts";
import { type Lab, startLab } from "../../../emulator/_lab.ts";

/** The files of a group's host, by real sops and age, with an emulated Hetzner. */
const sops = findEngine(repository)?.sops ?? "sops";
const host = "workers-red-ox";
let lab: Lab;
let layout: Layout;

beforeAll(async () => {
  lab = await startLab();
});
afterAll(async () => lab?.stop());

beforeEach(async () => {
  const entry = {
    flakeHost: "workers",
    targetHost: "somewhere",
    hetzner: { serverType: "cx43" },
    opentofu: { adminCidr: "127.0.0.1/32", sshPubkeyFile: "operator/id_ed25519.pub" },
    secrets: { localDir: "secrets/hosts/workers", remoteDir: "/var/lib/clawdlets/secrets/hosts/workers" },
  };
  layout = project({ stack: { schemaVersion: 3, hosts: { workers: entry } }, env: null, stackFile: null }, "workers");
  makePrivateFolder(layout.dir);
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\n");
  await pointAt(join(layout.dir, ".env"), lab.emulator);
  await ensureSshKey(join(layout.root, "operator", "id_ed25519"), "operator");
  const { store, required, facts } = openSecrets(layout, "workers", { environment: {}, sops });
  const values = { admin_password_hash: `$6$canary$${"a".repeat(86)}`, tailscale_auth_key: "tskey-auth-canary" };
  await initSecrets({ store, required, values, overwrite: false, settings: { ...facts, tags: ["eu"] } });
});

const ensure = (isProtected = false) =>
  ensureMember({ layout, host, like: "workers", isProtected, environment: {}, sops });
const files = () => hostLayoutOf(layout, host);
const key = () => readFileSync(files().identity, "utf8");

describe("a new host", () => {
  it("gets the pattern's settings and secrets, and keys of its own", async () => {
    await ensure();
    const [own, like] = [readRawStackFile(layout, host), readRawStackFile(layout, "workers")];
    expect(own).toMatchObject({ serverType: "cx43", tags: ["eu"], flakeHost: host, protect: false });
    expect(own["adminSshKeys"]).toEqual(like["adminSshKeys"]);
    for (const setting of ["ageRecipient", "sshHostKey"]) expect(own[setting]).not.toBe(like[setting]);
    const { store, entry } = openSecrets(layout, host, { environment: {}, sops });
    expect(await readSecret(store, "tailscale_auth_key")).toBe("tskey-auth-canary");
    expect(entry).not.toHaveProperty("targetHost");
    expect(entry.secrets.localDir).toBe(`secrets/hosts/${host}`);
    expect(readFileSync(files().stackFile, "utf8")).not.toMatch(/canary|SECRET/);
  });

  it("is not made again, and follows the pattern's settings and its own protection", async () => {
    await ensure();
    const before = [key(), readRawStackFile(layout, host)["sshHostKey"], readFileSync(files().stackFile, "utf8")];
    await ensure();
    expect([key(), readRawStackFile(layout, host)["sshHostKey"], readFileSync(files().stackFile, "utf8")]).toEqual(
      before,
    );
    await addToStackFile(layout, "workers", { tags: ["us"] }, ["tags"]);
    await ensure(true);
    const raw = readRawStackFile(layout, host);
    expect([key(), raw["sshHostKey"]]).toEqual(before.slice(0, 2));
    expect(raw).toMatchObject({ tags: ["us"], protect: true });
  });

  it("gets what a killed run did not make", async () => {
    await ensure();
    const before = key();
    rmSync(join(files().secrets, "tailscale_auth_key.yaml"));
    await ensure();
    expect(existsSync(join(files().secrets, "tailscale_auth_key.yaml"))).toBe(true);
    expect(key()).toBe(before);
  });

  it("gets no second keys where another machine has the first", async () => {
    await ensure();
    renameSync(files().identity, join(layout.dir, "elsewhere"));
    await ensure();
    expect(existsSync(files().identity)).toBe(false);
  });

  it("without a stack file is refused while Hetzner has its server", async () => {
    const { body } = await lab.api("POST", "/servers", server);
    await expect(ensure()).rejects.toThrow(/Hetzner has the server "workers-red-ox": another clone created it/);
    expect(existsSync(files().identity)).toBe(false);
    await lab.api("DELETE", `/servers/${body.server.id}`);
  });
});

const server = { name: host, server_type: "cx43", image: "debian-12", location: "nbg1", labels: labelsOf(host) };

describe("a host that is gone", () => {
  const said: string[] = [];
  const forget = (name = host) =>
    forgetMember({ layout, host: name, environment: {}, tell: (text) => said.push(text), now: new Date() });

  beforeEach(async () => {
    await ensure();
    mkdirSync(join(layout.stacks, "groups"));
    const member = { slot: 1, name: host, createdAt: "2026-11-01T00:00:00.000Z" };
    const roster = { version: 1, group: "workers", like: "workers", stack: "prod", nextSlot: 2, members: [member] };
    writeFileSync(join(layout.stacks, "groups", "workers.json"), JSON.stringify(roster));
    writeFileSync(layout.knownHosts, `web-1,192.0.2.1 ssh-ed25519 A\n${host},192.0.2.2 ssh-ed25519 B\n`, {
      mode: 0o600,
    });
  });

  it("leaves the roster and every list, and its keys are archived", async () => {
    const before = key();
    await forget();
    expect(readRoster(layout, "workers")?.members).toEqual([]);
    expect(readFileSync(layout.knownHosts, "utf8")).toBe("web-1,192.0.2.1 ssh-ed25519 A\n");
    expect(readFileSync(layout.stackJson, "utf8")).not.toContain(host);
    expect(readFileSync(join(layout.dir, "gone", host, "identity.agekey"), "utf8")).toBe(before);
    expect(existsSync(files().stackFile)).toBe(false);
    await forget();
  });

  it("is nothing that the copy of the keys misses", async () => {
    const journal = { state: "done", installId: "0123456789abcdef", serverId: 7, address: "192.0.2.2" };
    writeFileSync(files().journal, JSON.stringify(journal), { mode: 0o600 });
    keepCopy(layout);
    expect(lostFiles(layout)).toEqual([]);
    await forget();
    expect(lostFiles(layout)).toEqual([]);
  });

  it.each(["secrets", "identity", "recipient", "dir"] as const)("is finished after a kill behind %s", async (last) => {
    const gone = join(layout.dir, "gone", host);
    makePrivateFolder(gone);
    const names = { secrets: "secrets", identity: "identity.agekey", recipient: "identity.age.pub", dir: "host" };
    for (const [which, name] of Object.entries(names)) {
      renameSync(files()[which as keyof typeof names], join(gone, name));
      if (which === last) break;
    }
    await forget();
    expect(readRoster(layout, "workers")?.members).toEqual([]);
    for (const name of Object.values(names)) expect(existsSync(join(gone, name)), name).toBe(true);
    expect(existsSync(files().stackFile)).toBe(false);
  });

  it("of no group keeps its files", async () => {
    await expect(forget("workers")).rejects.toThrow(/workers: it is in no group\. Its files are kept/);
    expect(existsSync(hostLayoutOf(layout, "workers").identity)).toBe(true);
  });
});
