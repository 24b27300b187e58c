import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Layout, layoutOf } from "../core/project/layout.ts";

const folders: string[] = [];

/** Called after each test by the set-up of every project: files that share a process would register a hook here only once. */
export function removeTemporaryFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-test-"));
  folders.push(folder);
  return folder;
}

export const token = "a".repeat(64);
export const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
export const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ3YzUSlKdnWtGUmRGYcnKQKiXRiJIJjFVUeDBHbVrV test";

/** Upstream's own example for schema version 3, docs/stack.md at b49d4af. */
export const upstreamStack = {
  schemaVersion: 3,
  envFile: ".env",
  hosts: {
    "clawdbot-fleet-host": {
      flakeHost: "clawdbot-fleet-host",
      targetHost: "botsmj",
      hetzner: { serverType: "cx43" },
      opentofu: { adminCidr: "203.0.113.10/32", sshPubkeyFile: "~/.ssh/id_ed25519.pub" },
      secrets: {
        localDir: "secrets/hosts/clawdbot-fleet-host",
        remoteDir: "/var/lib/clawdlets/secrets/hosts/clawdbot-fleet-host",
      },
    },
  },
};

export const stackFile = `config:
  clawdlets:serverType: cx43
  clawdlets:ageRecipient: ${recipient}
  clawdlets:sshHostKey: ${publicKey}
  clawdlets:adminSshKeys:
    - ${publicKey}
`;

/** A project with the files of upstream's example, each of which can be given otherwise or left out. */
export function project(
  files: { stack?: unknown; env?: string | null; stackFile?: string | null } = {},
  host = "clawdbot-fleet-host",
): Layout {
  const layout = layoutOf(temporaryFolder());
  writeFileSync(join(layout.root, "Pulumi.yaml"), "name: clawdlets\nstackConfigDir: stacks\n");
  mkdirSync(layout.dir, { mode: 0o700 });
  mkdirSync(layout.stacks);
  const { stack = upstreamStack, env = `HCLOUD_TOKEN=${token}\n` } = files;
  if (stack !== null) writeFileSync(layout.stackJson, typeof stack === "string" ? stack : JSON.stringify(stack));
  if (env !== null) writeFileSync(join(layout.dir, ".env"), env, { mode: 0o600 });
  const config = files.stackFile === undefined ? stackFile : files.stackFile;
  if (config !== null) writeFileSync(join(layout.stacks, `Pulumi.${host}.yaml`), config);
  return layout;
}
