import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** One file the installed host starts its life with. Owner is always root: the receiving tar runs as root with --no-same-owner. */
export interface ExtraFile {
  /** Absolute path on the host. */
  path: string;
  mode: number;
  content: string | Buffer;
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
}

export const ageKeyPath = "/var/lib/sops-nix/key.txt";
export const installIdPath = "/var/lib/clawdlets/install-id";

/** Every file that goes to the host outside the Nix store, with its exact mode. */
export function extraFilesOf(delivery: Delivery): ExtraFile[] {
  const secrets = Object.entries(delivery.secrets).map(([name, content]) => ({
    path: `${delivery.remoteSecretsDir}/${name}.yaml`,
    mode: 0o400,
    content,
  }));
  return [
    { path: ageKeyPath, mode: 0o400, content: delivery.identityFileText },
    // World-readable: it is what tells an installed host from another, and is no secret.
    { path: installIdPath, mode: 0o444, content: `${delivery.installId}\n` },
    { path: "/etc/ssh/ssh_host_ed25519_key", mode: 0o600, content: delivery.hostPrivateKey },
    { path: "/etc/ssh/ssh_host_ed25519_key.pub", mode: 0o644, content: `${delivery.hostPublicKey}\n` },
    ...secrets,
  ];
}

/** Folders below which a name is enough to look at one file, but not to list them. */
const closedFolders = [dirname(ageKeyPath)];

/**
 * Lays the files out in a private folder for `nixos-anywhere --extra-files`, which sends modes as they are.
 * Any older content of the folder goes first: it is what a killed run left.
 * @returns what takes the folder away again
 */
export function stageExtraFiles(folder: string, files: readonly ExtraFile[]): () => void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const file of files) {
    const target = join(folder, file.path);
    makeFolders(folder, dirname(file.path));
    writeFileSync(target, file.content, { mode: file.mode, flag: "wx" });
    chmodSync(target, file.mode); // Past the umask.
  }
  return () => rmSync(folder, { recursive: true, force: true });
}

function makeFolders(folder: string, path: string): void {
  if (path === "/") return;
  makeFolders(folder, dirname(path));
  mkdirSync(join(folder, path), { recursive: true });
  chmodSync(join(folder, path), closedFolders.includes(path) ? 0o711 : 0o755);
}
