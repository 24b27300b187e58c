import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "../../../../core/base/machine/run.ts";
import type { Layout } from "../../../../core/project/layout.ts";
import { ensureIdentityFile } from "../../../../core/project/secrets/keys/age.ts";
import { readSecret } from "../../../../core/project/secrets/store.ts";
import { readRawStackFile } from "../../../../core/project/settings/stack-file.ts";
import { migrateSecrets } from "../../../../core/tasks/secrets/migrate.ts";
import { temporaryFolder } from "../../../_project.ts";
import {
  filesIn,
  initHost,
  makeProject,
  openHost,
  passwordHash,
  problemsOf,
  sops,
} from "../../project/secrets/_lab.ts";

const host = "web-1";

/** Upstream's older layout: stack.json of schema 1, identities, and one encrypted file with everything. */
async function oldProject(secrets: string): Promise<Layout> {
  const layout = makeProject(temporaryFolder(), [{ name: host }]);
  const { store } = openHost(layout, host);
  const pairs = [await ensureIdentityFile(store.files.identity), await ensureIdentityFile(store.operatorFile)];
  const recipients = pairs.map(({ recipient }) => recipient).join(",");
  const format = ["--input-type", "yaml", "--output-type", "yaml", "--filename-override", "x.yaml"];
  const { stdout, stderr } = await run(sops, ["encrypt", "--age", recipients, ...format], { input: secrets, cwd: "/" });
  expect(stdout, stderr).toContain("sops:");
  mkdirSync(dirname(store.folder), { recursive: true });
  writeFileSync(`${store.folder}.yaml`, stdout, { mode: 0o600 });
  rmSync(store.files.stackFile);
  const stack = JSON.parse(readFileSync(layout.stackJson, "utf8"));
  const { opentofu, ...entry } = stack.hosts[host];
  const old = {
    ...entry,
    terraform: opentofu,
    secrets: { localFile: `secrets/hosts/${host}.yaml`, remoteFile: `/var/lib/clawdlets/secrets/hosts/${host}.yaml` },
  };
  writeFileSync(layout.stackJson, JSON.stringify({ schemaVersion: 1, hosts: { [host]: old } }));
  return layout;
}

const operatorFile = (layout: Layout) => `${layout.operators}/operator.agekey`;
const migrate = (layout: Layout, options: { dryRun?: boolean; overwrite?: boolean; host?: string } = {}) =>
  migrateSecrets({ layout, operatorFile: operatorFile(layout), overwrite: false, dryRun: false, sops, ...options });

const secrets = `admin_password_hash: ${passwordHash}
tailscale_auth_key: tskey-auth-old
discord_token_maren: canary-token
z_ai_api_key: <OPTIONAL>
numeric: 123456789012345678
version: 1.10
flag: true
text: "- a\\nno\\n"
`;

describe("secrets migrate", () => {
  it("gives each secret a file of its own, as it was typed, and keeps the old files", async () => {
    const layout = await oldProject(secrets);
    const old = readFileSync(layout.stackJson, "utf8");
    const result = await migrate(layout);
    expect(result).toMatchObject({
      fromSchema: 1,
      hosts: { [host]: { skipped: ["z_ai_api_key"] } },
      backups: [".clawdlets/secrets/hosts/web-1.yaml.bak", ".clawdlets/stack.json.bak"],
    });
    const { store } = openHost(layout, host);
    const expected = { numeric: "123456789012345678", version: "1.1", flag: "true", text: "- a\nno\n" };
    for (const [name, value] of Object.entries(expected)) expect(await readSecret(store, name)).toBe(value);
    expect(readFileSync(`${layout.stackJson}.bak`, "utf8")).toBe(old);
    expect(existsSync(`${store.folder}.yaml`)).toBe(false);
    // The stack file learns whose bots these are, and what else there is.
    expect(readRawStackFile(layout, host)).toEqual({
      bots: ["maren"],
      secrets: ["numeric", "version", "flag", "text"],
    });
    await initHost(layout, host);
    expect(await problemsOf(layout, host)).toEqual([]);
  });

  it("does nothing the second time, and nothing in a dry run", async () => {
    const layout = await oldProject(secrets);
    const before = [...filesIn(layout.root)];
    expect((await migrate(layout, { dryRun: true })).hosts[host]?.moved).toContain("version");
    expect([...filesIn(layout.root)]).toEqual(before);
    await migrate(layout);
    const after = [...filesIn(layout.root)];
    expect(await migrate(layout)).toEqual({ fromSchema: 3, hosts: {}, backups: [] });
    expect([...filesIn(layout.root)]).toEqual(after);
  });

  it.each<[string, string, RegExp]>([
    ["a list", "admin_password_hash: [1, 2]\n", /admin_password_hash: is a list or a mapping/],
    [
      "a name that is not a name of a secret",
      "Admin.Password: x\n",
      /Admin\.Password: is not a valid name for a secret/,
    ],
  ])("refuses %s before anything is changed, and quotes no value", async (_, text, reason) => {
    const layout = await oldProject(text);
    const before = [...filesIn(layout.root)];
    await expect(migrate(layout)).rejects.toThrow(reason);
    expect([...filesIn(layout.root)]).toEqual(before);
  });

  it("does not replace a newer value by the old one, unless that is said", async () => {
    const layout = await oldProject("tailscale_auth_key: tskey-auth-old\n");
    await migrate(layout);
    await initHost(layout, host, { admin_password_hash: passwordHash, tailscale_auth_key: "tskey-auth-new" }, true);
    const { store } = openHost(layout, host);
    writeFileSync(`${store.folder}.yaml`, readFileSync(`${store.folder}.yaml.bak`), { mode: 0o600 });
    await expect(migrate(layout)).rejects.toThrow(/has a different value than .*web-1\.yaml\. Pass --yes/);
    expect(await readSecret(store, "tailscale_auth_key")).toBe("tskey-auth-new");
    const { backups } = await migrate(layout, { overwrite: true });
    expect(backups).toEqual([".clawdlets/secrets/hosts/web-1.yaml.bak2"]);
    expect(await readSecret(store, "tailscale_auth_key")).toBe("tskey-auth-old");
  });

  it("names the hosts there are when another one is asked for", async () => {
    const layout = await oldProject(secrets);
    await expect(migrate(layout, { host: "web-2" })).rejects.toThrow(
      /hosts\.web-2: there is no such host; it has web-1/,
    );
  });

  it("finishes what a killed run left: secrets moved, stack.json still old", async () => {
    const layout = await oldProject(secrets);
    const old = readFileSync(layout.stackJson, "utf8");
    await migrate(layout);
    writeFileSync(layout.stackJson, old, { mode: 0o600 });
    rmSync(`${layout.stackJson}.bak`);
    expect(await migrate(layout)).toMatchObject({ fromSchema: 1, backups: [".clawdlets/stack.json.bak"] });
    expect(openHost(layout, host).entry.secrets.localDir).toBe("secrets/hosts/web-1");
  });
});
