import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { createAgeKeyPair, identityFileText } from "../../../core/project/secrets/keys/age.ts";
import { project, temporaryFolder } from "../../_project.ts";

const entry = join(process.cwd(), "bin", "clawdlets.mjs");
const vault = (root: string, args: string[], input = "") =>
  execa(process.execPath, [entry, "vault", ...args], { cwd: root, reject: false, input });

const passphrase = "canary words of a passphrase";

it("is exported, verified and imported without a terminal, results on standard output", {
  timeout: 90_000,
}, async () => {
  const { root, dir } = project();
  const file = join(temporaryFolder(), "hosts.vault");
  const made = await vault(root, ["export", file, "--passphrase"], `${passphrase}\n`);
  expect(made.stdout.split("\n")).toEqual([
    expect.stringMatching(/hosts\.vault: 2 files of clawdbot-fleet-host, \d+ KiB$/),
    expect.stringMatching(/^not included, because it is outside \.clawdlets: .*\/\.ssh\/id_ed25519\.pub$/),
    `next: store it on another machine, and check it: clawdlets vault verify ${file}`,
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const verified = await vault(root, ["verify", file, "--passphrase", "--json"], passphrase);
  expect(JSON.parse(verified.stdout)).toMatchObject({
    ok: true,
    ageDays: 0,
    hosts: ["clawdbot-fleet-host"],
    changed: [],
  });

  const clone = temporaryFolder();
  writeFileSync(join(clone, "Pulumi.yaml"), "name: clawdlets\n");
  const imported = await vault(clone, ["import", file, "--passphrase"], passphrase);
  expect(imported.stdout).toContain("imported 2 files of clawdbot-fleet-host, from 20");
  expect(readFileSync(join(clone, ".clawdlets", ".env"), "utf8")).toBe(readFileSync(join(dir, ".env"), "utf8"));
  const again = await vault(clone, ["import", file, "--passphrase", "--json"], passphrase);
  expect(again.exitCode).toBe(3);
  expect(JSON.parse(again.stdout)).toMatchObject({ ok: false, problems: [{ code: "file-in-the-way" }] });
  for (const { stdout, stderr } of [made, verified, imported, again]) expect(stdout + stderr).not.toContain("canary");
});

it("is opened by the identity in a file, and needs to be told who may open it", { timeout: 60_000 }, async () => {
  const { root } = project();
  const folder = temporaryFolder();
  const [file, key] = [join(folder, "hosts.vault"), join(folder, "key")];
  const pair = await createAgeKeyPair();
  writeFileSync(key, identityFileText(pair), { mode: 0o600 });
  const undecided = await vault(root, ["export", file]);
  expect(undecided).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("Pass --to age1… or --passphrase.") });
  expect((await vault(root, ["export", file, "--to", pair.recipient])).exitCode).toBe(0);
  expect((await vault(root, ["verify", file, "--identity", key])).stdout).toContain("nothing has changed here since");
  const unnamed = await vault(root, ["verify", file]);
  expect(unnamed).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("Pass one with --identity") });
});
