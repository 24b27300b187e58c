import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { UserError } from "../../core/base/errors.ts";
import { git, runGit } from "../../core/base/machine/git.ts";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { hostLayoutOf, type Layout, layoutOf } from "../../core/project/layout.ts";
import { openSecrets } from "../../core/project/secrets/open.ts";
import { secretFile } from "../../core/project/secrets/store.ts";
import { envKeys } from "../../core/project/settings/env-file.ts";
import { exampleHost } from "../../core/project/settings/example-stack.ts";
import { addToStackFile, copyStackFile } from "../../core/project/settings/stack-file.ts";
import { initSecrets } from "../../core/tasks/init.ts";
import type { Report } from "../../emulator/index.ts";
import { engineOrSetUp, packageRoot } from "../../engine/environment.ts";
import type { Progress } from "../../engine/progress/progress.ts";
import { openStack } from "../../engine/stack.ts";
import { useEmulator } from "./emulator.ts";

/** A separate project in `.demo/` that runs this repo's program against an emulated Hetzner. */
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
 * Upstream's example of schema version 3 (docs/stack.md at b49d4af), unchanged except for two values: the path of the
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
  /** Set only if the host has no bots yet. */
  bots?: string[];
  /** Values by secret name, for secrets that do not exist yet. @default made up */
  values?: Record<string, string>;
}

/** Creates whatever the demo is missing and starts its emulator. Files of an earlier run are reused. */
export async function prepareDemo(progress: Progress, options: DemoOptions = {}): Promise<Demo> {
  const { root = join(packageRoot, ".demo") } = options;
  const { data = join(root, "emulator") } = options;
  // The demo must not touch a real account or state, no matter what this shell's environment points at.
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

/** Files that a project shares with this repo when it runs the repo's own program. */
export const programFiles = [
  "Pulumi.yaml",
  "bin",
  "index.ts",
  "package.json",
  "tsconfig.json",
  "node_modules",
] as const;

/** Links to the repo's own files, next to the demo's own folders. */
async function makeProject(layout: Layout): Promise<void> {
  mkdirSync(layout.stacks, { recursive: true });
  for (const file of programFiles) {
    const link = join(layout.root, file);
    if (!existsSync(link)) symlinkSync(relative(layout.root, join(packageRoot, file)), link);
  }
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\nemulator/\noperator/\nnode_modules\nobserved.json\n");
  const env = join(layout.dir, ".env");
  // No key copy in the user's home: the demo's keys are disposable.
  if (!existsSync(env)) await writePrivateFile(env, "CLAWDLETS_KEY_COPY=off\n");
  if (!existsSync(join(layout.root, ".git"))) await git(layout.root, "init", "--quiet", "--initial-branch=main");
}

async function makeHost(layout: Layout, sops: string, { bots, values }: DemoOptions): Promise<void> {
  if (!existsSync(layout.stackJson))
    await writePrivateFile(layout.stackJson, `${JSON.stringify(stackJson, null, 2)}\n`);
  await ensureSshKey(join(layout.root, "operator", "id_ed25519"), "demo operator");
  const example = layoutOf(packageRoot);
  if (!existsSync(hostLayoutOf(layout, host).stackFile)) await copyStackFile(example, exampleHost, layout, host);
  if (bots) await addToStackFile(layout, host, { bots });
  const { store, required, facts } = openSecrets(layout, host, { environment: process.env, sops });
  const missing = Object.entries(values ?? madeUpValues()).filter(([name]) => !existsSync(secretFile(store, name)));
  await initSecrets({
    store,
    required,
    values: Object.fromEntries(missing),
    overwrite: false,
    // A disposable host: plain "pulumi destroy" may delete it.
    settings: { ...facts, protect: false },
  });
}

/** The hash has the format of SHA-512 crypt but is random, so no password matches it. */
function madeUpValues(): Record<string, string> {
  return {
    admin_password_hash: `$6$${randomBytes(6).toString("hex")}$${randomBytes(43).toString("hex")}`,
    tailscale_auth_key: `tskey-auth-${randomBytes(16).toString("hex")}`,
  };
}

/** Nix flakes in a git repository only see tracked files, so the demo commits what it installs, like a real project. */
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
