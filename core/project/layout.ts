import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../base/errors.ts";
import { exitCodes } from "../base/exit-codes.ts";

/** The paths of one project, all absolute. Nothing is created here. */
export interface Layout {
  /** The folder with Pulumi.yaml. The engine always runs from here: its backend URL is relative. */
  root: string;
  /** `.clawdlets`: local, ignored by git, mode 0700. */
  dir: string;
  stackJson: string;
  /** The engine's file backend. */
  state: string;
  /** The passphrase of the engine's state, created once. */
  passphrase: string;
  knownHosts: string;
  secrets: string;
  sopsConfig: string;
  operators: string;
  /** Folder of the keys that sign systems. */
  systemKeys: string;
  /** The committed stack files, without secrets. */
  stacks: string;
}

/** The files of one host below `.clawdlets/`. */
export interface HostLayout {
  dir: string;
  stackFile: string;
  identity: string;
  recipient: string;
  secrets: string;
  /** One-time keys for the installation, replaced after each one. */
  bootstrapClientKey: string;
  bootstrapHostKey: string;
  /** SSH host key of the installed host. */
  hostKey: string;
  journal: string;
  /** What is still to be deleted from the host's tailnet, once its API answers. */
  tailnetLeft: string;
  /** Log of the windows that were opened and closed from this machine, as JSON lines. */
  windows: string;
  lock: string;
  /** Signed releases that the host has kept, as JSON lines. */
  releases: string;
  /** Copy of the engine's state, taken before and after each operation. */
  stateCopy: string;
  /** A state that a killed run left damaged; kept when the copy is restored. */
  stateBroken: string;
  logs: string;
  /** Upstream's optional file tree, which is copied to the host unchanged. */
  extraFiles: string;
  /** Has plaintext secrets only while an installer runs; if that is killed, the next run deletes them. */
  staging: string;
}

const projectFile = "Pulumi.yaml";

/** Finds the project that contains `from`: the nearest parent folder with a Pulumi.yaml. */
export function findLayout(from: string): Layout {
  const start = resolve(from);
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, projectFile))) return layoutOf(folder);
    if (dirname(folder) === folder) {
      throw new UserError(
        `No ${projectFile} in ${start} or any folder above it. Run clawdlets in your clone of the project.`,
        { exitCode: exitCodes.settings },
      );
    }
  }
}

export function layoutOf(root: string): Layout {
  const dir = join(root, ".clawdlets");
  const secrets = join(dir, "secrets");
  return {
    root,
    dir,
    stackJson: join(dir, "stack.json"),
    state: join(dir, "state"),
    passphrase: join(dir, "passphrase"),
    knownHosts: join(dir, "known_hosts"),
    secrets,
    sopsConfig: join(secrets, ".sops.yaml"),
    operators: join(secrets, "operators"),
    systemKeys: join(dir, "system-keys"),
    stacks: join(root, "stacks"),
  };
}

/** What is kept of a host that left its group. */
export const goneFolderOf = (layout: Layout, host: string) => join(layout.dir, "gone", host);

export function hostLayoutOf(layout: Layout, host: string): HostLayout {
  const dir = join(layout.dir, "hosts", host);
  return {
    dir,
    stackFile: join(layout.stacks, `Pulumi.${host}.yaml`),
    identity: join(layout.secrets, "hosts", `${host}.agekey`),
    recipient: join(layout.secrets, "hosts", `${host}.age.pub`),
    secrets: join(layout.secrets, "hosts", host),
    bootstrapClientKey: join(dir, "ssh", "bootstrap_client_ed25519"),
    bootstrapHostKey: join(dir, "ssh", "bootstrap_host_ed25519"),
    hostKey: join(dir, "ssh", "ssh_host_ed25519_key"),
    journal: join(dir, "install.json"),
    tailnetLeft: join(dir, "tailnet-left.json"),
    windows: join(dir, "windows.jsonl"),
    lock: join(dir, "lock"),
    releases: join(dir, "releases.jsonl"),
    stateCopy: join(dir, "state.json"),
    stateBroken: join(dir, "state-broken.json"),
    logs: join(dir, "logs"),
    extraFiles: join(layout.dir, "extra-files", host),
    staging: join(dir, "staging"),
  };
}
