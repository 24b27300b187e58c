import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { UserError } from "../../core/base/errors.ts";
import { git, runGit } from "../../core/base/machine/git.ts";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { type Layout, layoutOf } from "../../core/project/layout.ts";
import { openSecrets } from "../../core/project/secrets/open.ts";
import { secretFile } from "../../core/project/secrets/store.ts";
import { envKeys } from "../../core/project/settings/env-file.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { initSecrets } from "../../core/tasks/init.ts";
import type { Report } from "../../emulator/index.ts";
import { engineOrSetUp, packageRoot } from "../../engine/environment.ts";
import { openStack } from "../../engine/stack.ts";
import { useEmulator } from "./emulator.ts";

/** A project of its own in `.demo/`, made of this repo's own program, with an emulated Hetzner behind it. */
export interface Demo {
  layout: Layout;
  host: string;
  sshPort: number;
  report: () => Promise<Report>;
  close: () => Promise<void>;
}

/** Source addresses of the demo's operator and of a stranger. */
export const demoAddresses = { admin: "127.0.0.1", elsewhere: "127.9.9.9" };

const host = "clawdbot-fleet-host";

/**
 * Upstream's own example of schema version 3 (docs/stack.md at b49d4af), as it stands but for two values: the path of the
 * public key, and the admin CIDR, since the demo's operator is on this machine.
 */
const stackJson = {
  schemaVersion: 3,
  envFile: ".env",
  hosts: {
    [host]: {
      flakeHost: "clawdbot-fleet-host",
      targetHost: "botsmj",
      hetzner: { serverType: "cx43" },
      opentofu: { adminCidr: `${demoAddresses.admin}/32`, sshPubkeyFile: "operator/id_ed25519.pub" },
      secrets: {
        localDir: "secrets/hosts/clawdbot-fleet-host",
        remoteDir: "/var/lib/clawdlets/secrets/hosts/clawdbot-fleet-host",
      },
    },
  },
};

export interface DemoOptions {
  /** Folder of the project. @default `.demo` in this repo */
  root?: string;
  /** Folder of the emulator. @default `emulator` in the project */
  data?: string;
  /** Of a host that has none yet. */
  bots?: string[];
  /** Secrets by name, for those that are not there yet. @default made up */
  values?: Record<string, string>;
}

/** Makes what the demo lacks and starts its Hetzner. What an earlier run left is used again. */
export async function prepareDemo(progress: (text: string) => void, options: DemoOptions = {}): Promise<Demo> {
  const { root = join(packageRoot, ".demo") } = options;
  const { data = join(root, "emulator") } = options;
  // The demo must not touch a real account or state, whatever this shell is set up for.
  for (const key of Object.keys(process.env)) {
    if (envKeys.some((known) => known === key) || key.startsWith("PULUMI_")) delete process.env[key];
  }
  const engine = await engineOrSetUp(progress);
  const layout = layoutOf(root);
  await makeProject(layout);
  const emulator = await useEmulator(layout, data, progress);
  try {
    await makeHost(layout, engine.sops, options);
    await openStack(layout, host, engine);
    await commit(layout, "the demo's host");
  } catch (error) {
    await emulator.close();
    throw error;
  }
  return { layout, host, sshPort: emulator.sshPort, report: emulator.report, close: emulator.close };
}

/** What a project shares with this repo when its program is the repo's own. */
export const programFiles = [
  "Pulumi.yaml",
  "bin",
  "index.ts",
  "package.json",
  "tsconfig.json",
  "node_modules",
] as const;

/** The same files as the repo's own, by link, beside folders of the demo's own. */
async function makeProject(layout: Layout): Promise<void> {
  mkdirSync(layout.stacks, { recursive: true });
  for (const file of programFiles) {
    const link = join(layout.root, file);
    if (!existsSync(link)) symlinkSync(relative(layout.root, join(packageRoot, file)), link);
  }
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\nemulator/\noperator/\nnode_modules\nobserved.json\n");
  const env = join(layout.dir, ".env");
  // Nothing in a demo is worth a copy in the user's home.
  if (!existsSync(env)) await writePrivateFile(env, "CLAWDLETS_KEY_COPY=off\n");
  if (!existsSync(join(layout.root, ".git"))) await git(layout.root, "init", "--quiet", "--initial-branch=main");
}

async function makeHost(layout: Layout, sops: string, { bots, values }: DemoOptions): Promise<void> {
  if (!existsSync(layout.stackJson))
    await writePrivateFile(layout.stackJson, `${JSON.stringify(stackJson, null, 2)}\n`);
  await ensureSshKey(join(layout.root, "operator", "id_ed25519"), "demo operator");
  if (bots) await addToStackFile(layout, host, { bots });
  const { store, required, facts } = openSecrets(layout, host, { environment: process.env, sops });
  const missing = Object.entries(values ?? madeUpValues()).filter(([name]) => !existsSync(secretFile(store, name)));
  await initSecrets({
    store,
    required,
    values: Object.fromEntries(missing),
    overwrite: false,
    // A host to throw away: plain "pulumi destroy" may take it down.
    settings: { ...facts, protect: false },
  });
}

/** Nobody knows the password behind this hash; its shape is that of SHA-512 crypt. */
function madeUpValues(): Record<string, string> {
  return {
    admin_password_hash: `$6$${randomBytes(6).toString("hex")}$${randomBytes(43).toString("hex")}`,
    tailscale_auth_key: `tskey-auth-${randomBytes(16).toString("hex")}`,
  };
}

/** The installation's flake sees commits only, as with a real one. */
async function commit(layout: Layout, message: string): Promise<void> {
  await git(layout.root, "add", "--all");
  if ((await git(layout.root, "status", "--porcelain")) === "") return;
  const author = [
    "-c",
    "user.name=clawdlets demo",
    "-c",
    "user.email=demo@clawdlets.invalid",
    "-c",
    "commit.gpgsign=false",
  ];
  const { exitCode, stderr } = await runGit(layout.root, [...author, "commit", "--quiet", "-m", message]);
  if (exitCode !== 0) throw new UserError(`git could not commit the demo's project: ${stderr.trim()}`);
}
