import { chmodSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { makePrivateFolder } from "../../base/machine/private-files.ts";
import { installIdPath } from "../reach/ask.ts";

/** What the installed host starts its life with. The owner is root: the receiving tar runs with --no-same-owner. */
export interface ExtraFile {
  /** Absolute path on the host. */
  path: string;
  mode: number;
  /** `null` is a folder, for its mode, and to be made even where nothing is in it. */
  content: string | Buffer | null;
  /** The operator put it into `.clawdlets/extra-files/<host>/`; everything else is ours. */
  added?: true;
}

export interface Delivery {
  host: string;
  installId: string;
  identityFileText: string;
  hostPrivateKey: string;
  hostPublicKey: string;
  remoteSecretsDir: string;
  /** Ciphertext by secret name. */
  secrets: Readonly<Record<string, string>>;
  /** The tree of `.clawdlets/extra-files/<host>/`; where it has one of our paths, ours is sent. */
  added?: readonly ExtraFile[];
}

export const ageKeyPath = "/var/lib/sops-nix/key.txt";
const hostKeyPath = "/etc/ssh/ssh_host_ed25519_key";

/** Every file that goes to the host outside the Nix store, with its exact mode. */
export function extraFilesOf(delivery: Delivery): ExtraFile[] {
  const secrets = Object.entries(delivery.secrets).map(([name, content]) => ({
    path: secretPath(delivery.remoteSecretsDir, name),
    mode: 0o400,
    content,
  }));
  const own: ExtraFile[] = [
    { path: ageKeyPath, mode: 0o400, content: delivery.identityFileText },
    // World-readable: it is what tells an installed host from another, and is no secret.
    { path: installIdPath, mode: 0o444, content: `${delivery.installId}\n` },
    { path: hostKeyPath, mode: 0o600, content: delivery.hostPrivateKey },
    { path: `${hostKeyPath}.pub`, mode: 0o644, content: `${delivery.hostPublicKey}\n` },
    ...secrets,
  ];
  const taken = new Set(own.flatMap(({ path }) => [path, ...foldersAbove(path)]));
  return [...own, ...(delivery.added ?? []).filter(({ path }) => !taken.has(path))];
}

/** The paths of {@link extraFilesOf} that are ours, for a host that is sent these secrets. */
export function ownPathsOf(remoteSecretsDir: string, secrets: readonly string[]): string[] {
  const paths = secrets.map((name) => secretPath(remoteSecretsDir, name));
  return [ageKeyPath, installIdPath, hostKeyPath, `${hostKeyPath}.pub`, ...paths];
}

export function secretPath(remoteSecretsDir: string, name: string): string {
  return `${remoteSecretsDir}/${name}.yaml`;
}

/** Every folder above a path of the host, the nearest first, without `/`. */
export function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === "/" ? [] : [folder, ...foldersAbove(folder)];
}

/** Folders below which a name is enough to look at one file, but not to list them. */
const closedFolders = [dirname(ageKeyPath)];

/**
 * Lays the files out in a private folder for `nixos-anywhere --extra-files`, which sends modes as they are.
 * What a killed run left goes first. Until it is taken away again, it also goes when this process is stopped or ends.
 * @returns what takes the folder away again
 * @throws UserError when something stands there that we did not put there
 */
export function stageExtraFiles(folder: string, files: readonly ExtraFile[]): () => void {
  sweepStaging(folder);
  makePrivateFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 }); // Not recursive: it fails where somebody was quicker.
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
      chmodSync(join(folder, path), mode); // Past the umask.
    }
  } catch (error) {
    unstage();
    throw error;
  }
  return unstage;
}

/**
 * Takes away what a run that was killed by SIGKILL left: keys in plain text.
 * @throws UserError when it is no folder of ours: what a link leads to is neither written nor removed
 */
export function sweepStaging(folder: string): void {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (!stat) return;
  const uid = process.getuid?.() ?? stat.uid;
  if (!stat.isDirectory() || stat.uid !== uid) {
    const kind = stat.isSymbolicLink() ? "is a link" : "is no folder";
    const what = stat.isDirectory() ? `belongs to user ${stat.uid}, not to you (${uid})` : kind;
    throw new UserError(
      `${folder} ${what}, so clawdlets did not make it. Find out who did, then remove it: rm -r '${folder}'`,
      { exitCode: exitCodes.settings },
    );
  }
  rmSync(folder, { recursive: true, force: true });
}

/** @returns what removes `folder`, which is also done at a signal and at the end of the process */
function removedAtTheEnd(folder: string): () => void {
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const onSignal = (name: NodeJS.Signals) => {
    remove();
    // Nobody else listens: as without us, the process then dies of it.
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
