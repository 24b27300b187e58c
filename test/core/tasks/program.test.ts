import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { layoutOf } from "../../../core/project/layout.ts";
import { createAgeKeyPair } from "../../../core/project/secrets/keys/age.ts";
import { secretFile, writeRule, writeSecret } from "../../../core/project/secrets/store.ts";
import { addToStackFile } from "../../../core/project/settings/stack-file.ts";
import { loadProgram } from "../../../core/tasks/program.ts";
import { temporaryFolder } from "../../_project.ts";
import { initHost, makeProject, openHost, valuesFor } from "../project/secrets/_lab.ts";

const host = "web-1";

async function initialised() {
  const layout = makeProject(temporaryFolder(), [{ name: host }]);
  await initHost(layout, host, valuesFor(openHost(layout, host), "first"));
  return { layout, store: openHost(layout, host).store };
}

/** What the engine hands to a program in a preview. */
function preview(root: string) {
  const { config } = parse(readFileSync(`${root}/stacks/Pulumi.${host}.yaml`, "utf8"));
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const entries = Object.entries(config).map(([key, value]) => [key, text(value)] as const);
  const given = { stack: host, config: Object.fromEntries(entries), folder: root, environment: {}, dryRun: true };
  return loadProgram(given);
}

describe("a preview", () => {
  it("needs neither a private key, nor a token, nor sops: it works where the identity is not", async () => {
    const { layout, store } = await initialised();
    rmSync(store.files.identity);
    rmSync(store.operatorFile);
    expect((await preview(layout.root)).settings.host).toBe(host);
  });

  it("hands the engine no private key: its log would show it, and the next server of this name would answer with it", async () => {
    const { layout, store } = await initialised();
    const { bootstrapKeys } = await preview(layout.root);
    expect(bootstrapKeys?.hostPublicKey).toMatch(/^ssh-ed25519 /);
    const key = readFileSync(store.files.bootstrapHostKey, "utf8");
    expect(key).toContain("PRIVATE KEY");
    for (const line of key.trim().split("\n")) expect(JSON.stringify(bootstrapKeys)).not.toContain(line);
  });

  it("refuses an IPv4 network of the operator's for a host that has only IPv6, and rebuilds on that host", async () => {
    const { layout } = await initialised();
    await addToStackFile(layout, host, { ipv4Enabled: false }, ["ipv4Enabled"]);
    await expect(preview(layout.root)).rejects.toThrow(/rebuild\.buildOn: is "host", but the host has no public IPv4/);
    await addToStackFile(layout, host, { rebuild: { enabled: false } } as never, ["rebuild"]);
    await expect(preview(layout.root)).rejects.toThrow(
      /adminCidr: is the IPv4 network \S+, but web-1 has no public IPv4/,
    );
    const stackJson = JSON.parse(readFileSync(layout.stackJson, "utf8"));
    stackJson.hosts[host].opentofu.adminCidr = "2001:db8:1:2::/64";
    writeFileSync(layout.stackJson, JSON.stringify(stackJson), { mode: 0o600 });
    expect((await preview(layout.root)).adminCidrs).toEqual(["2001:db8:1:2::/64"]);
  });

  it("works in a clone without .clawdlets", async () => {
    const { layout } = await initialised();
    rmSync(layout.dir, { recursive: true });
    expect((await preview(layoutOf(layout.root).root)).settings.host).toBe(host);
  });

  it("says that a secret is for another recipient than the stack file's", async () => {
    const { layout, store } = await initialised();
    const { recipient } = await createAgeKeyPair();
    await writeRule(store, [recipient]);
    await writeSecret(store, "tailscale_auth_key", "tskey-auth-x");
    await expect(preview(layout.root)).rejects.toThrow(
      new RegExp(`tailscale_auth_key: not encrypted to this host's recipient age1\\w+, but to ${recipient}`),
    );
  });

  it("says that one is missing, and that one is open to others", async () => {
    const { layout, store } = await initialised();
    rmSync(secretFile(store, "tailscale_auth_key"));
    const file = secretFile(store, "admin_password_hash");
    const text = readFileSync(file, "utf8");
    rmSync(file);
    writeFileSync(file, text, { mode: 0o644 });
    await expect(preview(layout.root)).rejects.toThrow(
      /admin_password_hash: .* has mode 0644.*tailscale_auth_key: missing/s,
    );
  });
});
