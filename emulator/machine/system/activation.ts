import { Buffer } from "node:buffer";
import { type DirectoryNode, FsError, ROOT } from "../files/inode.ts";
import type { FileTree } from "../files/tree.ts";
import { userNamed } from "../files/users.ts";

const PROFILE = "/nix/var/nix/profiles/system";

/**
 * What `nixos-install --system` does to a disk mounted at `root`.
 * @param nixSystem of the machine, e.g. `aarch64-linux`
 * @returns an error text, or null
 */
export function installSystem(tree: FileTree, root: string, systemPath: string, nixSystem: string): string | null {
  if (tree.find(`${root}${systemPath}`, ROOT).node === null)
    return `path '${systemPath}' does not exist in the store of ${root}`;
  const system = `${root}${systemPath}/system`;
  const isForeign = tree.find(system, ROOT).node !== null && tree.readFile(system, ROOT).toString() !== nixSystem;
  if (isForeign) return `chroot: failed to run command '${systemPath}/activate': Exec format error`;
  tree.makeDirectories(`${root}${PROFILE.replace(/\/[^/]*$/, "")}`, ROOT);
  link(tree, systemPath, `${root}${PROFILE}-1-link`);
  link(tree, "system-1-link", `${root}${PROFILE}`);
  for (const path of ["root", "home", "var/lib", "etc"]) tree.makeDirectories(`${root}/${path}`, ROOT);
  tree.existing(`${root}/root`, ROOT).node.mode = 0o700;
  copyEtc(tree, `${root}${systemPath}/etc`, `${root}/etc`);
  return null;
}

/** What the system on the disk does when it boots or is switched to. @returns an error text, or null. */
export function activate(tree: FileTree, systemPath: string | null): string | null {
  const system = systemPath ?? readLinkChain(tree, PROFILE);
  if (system === null || tree.find(system, ROOT).node === null) return `no system at ${systemPath ?? PROFILE}`;
  copyEtc(tree, `${system}/etc`, "/etc");
  link(tree, system, "/run/current-system");
  if (tree.find("/run/booted-system", ROOT, false).node === null) link(tree, system, "/run/booted-system");
  const users = normalUsers(tree);
  for (const name of users) {
    const user = userNamed(name, users);
    if (user === null || tree.find(user.home, ROOT).node !== null) continue;
    tree.makeDirectories("/home", ROOT);
    tree.makeDirectory(user.home, ROOT, 0o700);
    Object.assign(tree.existing(user.home, ROOT).node, { uid: user.uid, gid: user.gid });
  }
  revealSecrets(tree);
  return null;
}

/** Who may log in to an installed host: those who have a key file, root never. */
export function normalUsers(tree: FileTree): string[] {
  const { node } = tree.find("/etc/ssh/authorized_keys.d", ROOT);
  return node?.kind === "dir" ? [...node.children.keys()].filter((name) => name !== "root").sort() : [];
}

/**
 * The stand-in for sops-nix: with the age key in place, each encrypted file has a decrypted counterpart below /run/secrets.
 * Nothing is decrypted here; the content says that it stands for the plain text.
 */
export function revealSecrets(tree: FileTree): void {
  if (!exists(tree, "/var/lib/sops-nix/key.txt")) return;
  const hosts = hostFolders(tree);
  if (hosts.length === 0) return;
  if (tree.find("/run/secrets", ROOT).node !== null) tree.remove("/run/secrets", ROOT, true);
  tree.makeDirectory("/run/secrets", ROOT, 0o751);
  for (const host of hosts) {
    for (const file of host.children.keys()) {
      const name = file.replace(/\.ya?ml$/, "");
      tree.writeFile(`/run/secrets/${name}`, Buffer.from(`emulated plain text of ${name}\n`), ROOT, 0o400);
    }
  }
}

/** Whether the installed host joins the tailnet: it does once it has been given an auth key. */
export function hasTailscaleKey(tree: FileTree): boolean {
  return hostFolders(tree).some((host) => host.children.has("tailscale_auth_key.yaml"));
}

/** Whether the system that runs lets ssh in on the public addresses. One that says nothing is not made of our modules. */
export function hasPublicSsh(tree: FileTree): boolean {
  const path = "/etc/clawdlets/public-ssh";
  return !exists(tree, path) || tree.readFile(path, ROOT).toString() === "yes\n";
}

/** What the system does not do as it should: `# emulated: breaks …` in the host's file of the flake. */
export function isBroken(tree: FileTree, etc: string, what: string): boolean {
  const path = `${etc}/clawdlets/breaks`;
  return exists(tree, path) && tree.readFile(path, ROOT).toString().split("\n").includes(what);
}

/** The repository that the running system may be rebuilt from, a folder of this machine. */
export function repositoryOf(tree: FileTree): string | null {
  const path = "/run/current-system/etc/clawdlets/repository";
  return exists(tree, path) ? tree.readFile(path, ROOT).toString() : null;
}

/** Whether there is something at a path, and folders on the way. */
export function exists(tree: FileTree, path: string): boolean {
  try {
    return tree.find(path, ROOT).node !== null;
  } catch (error) {
    if (error instanceof FsError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** What `nix-env --profile … --set` does, and what a boot then takes. The newest generation is taken again where it is that system. */
export function chooseSystem(tree: FileTree, systemPath: string): void {
  const newest = generationsOf(tree).at(-1);
  const number = newest?.system === systemPath ? newest.number : (newest?.number ?? 0) + 1;
  link(tree, systemPath, generationAt(number));
  link(tree, `system-${number}-link`, PROFILE);
}

/** Chooses the former system by its own generation again. Newer generations of the new system are deleted. */
export function takeBack(tree: FileTree, former: string, wanted: string): void {
  const generations = generationsOf(tree);
  const back = generations.findLast(({ system }) => system === former);
  if (back === undefined) {
    chooseSystem(tree, former);
    return;
  }
  link(tree, `system-${back.number}-link`, PROFILE);
  for (const { number, system } of generations) {
    if (system === wanted && number > back.number) tree.remove(generationAt(number), ROOT, false);
  }
}

const generationAt = (number: number) => `${PROFILE}-${number}-link`;

/** Store path of the system that runs. */
export function activatedSystem(tree: FileTree): string {
  return tree.existing("/run/current-system", ROOT).absolute;
}

/** By number, oldest first. */
export function generationsOf(tree: FileTree): { number: number; system: string; isCurrent: boolean }[] {
  const folder = exists(tree, "/nix/var/nix/profiles") ? tree.existing("/nix/var/nix/profiles", ROOT).node : null;
  const names = folder?.kind === "dir" ? [...folder.children.keys()] : [];
  const numbers = names.flatMap((name) => /^system-([0-9]+)-link$/.exec(name)?.[1] ?? []).map(Number);
  const current = tree.find(PROFILE, ROOT, false).node;
  return numbers
    .sort((one, other) => one - other)
    .map((number) => ({
      number,
      system: tree.existing(generationAt(number), ROOT).absolute,
      isCurrent: current?.kind === "link" && current.target === `system-${number}-link`,
    }));
}

/** Where secrets are. A name with a dot is what `clawdlets-receive-secrets` keeps beside them. */
function hostFolders(tree: FileTree): DirectoryNode[] {
  const path = "/var/lib/clawdlets/secrets/hosts";
  const node = exists(tree, path) ? tree.find(path, ROOT).node : null;
  if (node?.kind !== "dir") return [];
  return [...node.children].flatMap(([name, host]) => (host.kind === "dir" && !name.startsWith(".") ? [host] : []));
}

function copyEtc(tree: FileTree, from: string, to: string): void {
  const { node } = tree.find(from, ROOT);
  if (node?.kind !== "dir") return;
  for (const [name, child] of node.children) {
    if (child.kind === "dir") {
      tree.makeDirectories(`${to}/${name}`, ROOT);
      copyEtc(tree, `${from}/${name}`, `${to}/${name}`);
    } else if (child.kind === "file") {
      tree.writeFile(`${to}/${name}`, tree.readFile(`${from}/${name}`, ROOT), ROOT, 0o444);
    }
  }
}

function link(tree: FileTree, target: string, path: string): void {
  if (tree.find(path, ROOT, false).node !== null) tree.remove(path, ROOT, true);
  tree.makeLink(target, path, ROOT);
}

function readLinkChain(tree: FileTree, path: string): string | null {
  const place = tree.find(path, ROOT);
  return place.node === null ? null : place.absolute;
}
