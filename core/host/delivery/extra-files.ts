import { chmodSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { makePrivateFolder } from "../../base/machine/private-files.ts";
import { installIdPath } from "../reach/ask.ts";

/** A file or folder that the installed host starts with. Root owns it: the receiving tar runs with --no-same-owner. */
export interface ExtraFile {
  /** Absolute path on the host. */
  path: string;
  mode: number;
  /** `null`: a folder, which gets this mode and is created even if it is empty. */
  content: string | Buffer | null;
  /** From the operator's `.clawdlets/extra-files/<host>/`; everything else is ours. */
  added?: true;
}

export interface Delivery {
  host: string;
  installId: string;
  /** Its address with prefix, for a host that has only IPv6: it may not reach Hetzner's metadata service, which knows it too. */
  ipv6Address?: string;
  identityFileText: string;
  hostPrivateKey: string;
  hostPublicKey: string;
  remoteSecretsDir: string;
  /** Ciphertext by secret name. */
  secrets: Readonly<Record<string, string>>;
  /** The tree of `.clawdlets/extra-files/<host>/`. Our own file wins if both have a path. */
  added?: readonly ExtraFile[];
}

export const ageKeyPath = "/var/lib/sops-nix/key.txt";
/** Read by nix/host/hetzner-ipv6.sh. */
export const ipv6AddressPath = "/var/lib/clawdlets/ipv6-address";
const hostKeyPath = "/etc/ssh/ssh_host_ed25519_key";

/** Every file that is sent to the host outside the Nix store, with its exact mode. */
export function extraFilesOf(delivery: Delivery): ExtraFile[] {
  const secrets = Object.entries(delivery.secrets).map(([name, content]) => ({
    path: secretPath(delivery.remoteSecretsDir, name),
    mode: 0o400,
    content,
  }));
  const own: ExtraFile[] = [
    { path: ageKeyPath, mode: 0o400, content: delivery.identityFileText },
    // World-readable: it identifies the installation and is not a secret.
    { path: installIdPath, mode: 0o444, content: `${delivery.installId}\n` },
    ...(delivery.ipv6Address === undefined
      ? []
      : [{ path: ipv6AddressPath, mode: 0o444, content: `${delivery.ipv6Address}\n` }]),
    { path: hostKeyPath, mode: 0o600, content: delivery.hostPrivateKey },
    { path: `${hostKeyPath}.pub`, mode: 0o644, content: `${delivery.hostPublicKey}\n` },
    ...secrets,
  ];
  const taken = new Set(own.flatMap(({ path }) => [path, ...foldersAbove(path)]));
  return [...own, ...(delivery.added ?? []).filter(({ path }) => !taken.has(path))];
}

/** The paths of {@link extraFilesOf} that are ours, for a host with these secrets. */
export function ownPathsOf(remoteSecretsDir: string, secrets: readonly string[]): string[] {
  const paths = secrets.map((name) => secretPath(remoteSecretsDir, name));
  return [ageKeyPath, installIdPath, hostKeyPath, `${hostKeyPath}.pub`, ...paths];
}

export function secretPath(remoteSecretsDir: string, name: string): string {
  return `${remoteSecretsDir}/${name}.yaml`;
}

/** Every parent folder of a path on the host, nearest first, without `/`. */
export function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === "/" ? [] : [folder, ...foldersAbove(folder)];
}

/** Folders sent with mode 711: the admin can stat a file by name, but not list the folder. */
const closedFolders = [dirname(ageKeyPath)];

/**
 * Writes the files to a private folder for `nixos-anywhere --extra-files`, which preserves modes.
 * Removes what a killed run left there first. The folder is also removed when this process is stopped or exits.
 * @returns a function that removes the folder
 * @throws UserError if the path is occupied by something that is not ours
 */
export function stageExtraFiles(folder: string, files: readonly ExtraFile[]): () => void {
  sweepStaging(folder);
  makePrivateFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 }); // Not recursive, so it fails if someone created it in the meantime.
  const unstage = removedAtTheEnd(folder);
  const modes = new Map(files.filter(({ content }) => content === null).map(({ path, mode }) => [path, mode]));
  const made = new Set<string>();
  try {
    for (const { path, mode, content } of files) {
      const folders = content === null ? [path, ...foldersAbove(path)] : foldersAbove(path);
      for (const each of folders.reverse()) {
        if (made.has(each)) continue;
        mkdirSync(join(folder, each));
        chmodSync(join(folder, each), modes.get(each) ?? (closedFolders.includes(each) ? 0o711 : 0o755));
        made.add(each);
      }
      if (content === null) continue;
      writeFileSync(join(folder, path), content, { mode, flag: "wx" });
      chmodSync(join(folder, path), mode); // Overrides the umask.
    }
  } catch (error) {
    unstage();
    throw error;
  }
  return unstage;
}

/**
 * Removes the plain-text keys that a run left behind when SIGKILL ended it.
 * @throws UserError if the path is not a folder of ours (symlink attack): nothing behind a link is written or removed
 */
export function sweepStaging(folder: string): void {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (!stat) return;
  const uid = process.getuid?.() ?? stat.uid;
  if (!stat.isDirectory() || stat.uid !== uid) {
    const kind = stat.isSymbolicLink() ? "is a link" : "is not a folder";
    const what = stat.isDirectory() ? `belongs to user ${stat.uid}, not to you (${uid})` : kind;
    throw new UserError(
      `${folder} ${what}, so clawdlets did not make it. Find out who did, then remove it: rm -r '${folder}'`,
      { exitCode: exitCodes.settings },
    );
  }
  rmSync(folder, { recursive: true, force: true });
}

/** @returns a function that removes `folder`; signals and the end of the process remove it, too */
function removedAtTheEnd(folder: string): () => void {
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const onSignal = (name: NodeJS.Signals) => {
    remove();
    // No other handler: die from the signal, as the process would without ours.
    if (process.listenerCount(name) === 0) process.kill(process.pid, name);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.once(name, onSignal);
  process.once("exit", remove);
  return () => {
    remove();
    for (const name of signals) process.off(name, onSignal);
    process.off("exit", remove);
  };
}
