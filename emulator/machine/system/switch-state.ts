import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { ROOT } from "../files/inode.ts";
import type { FileTree } from "../files/tree.ts";
import { exists, revealSecrets } from "./activation.ts";

/** A twentieth, as all waiting in the guest. */
export const SECOND_MS = 50;

const FOLDER = "/var/lib/clawdlets/activation";
const KEY_FILE = "/var/lib/sops-nix/key.txt";
const SECRETS = "/var/lib/clawdlets/secrets/hosts";

/** The fields and their order are the script's, whose state everybody may read. */
export interface State {
  id: string;
  phase: string;
  result: string;
  rev: string;
  /** Of a signed release, otherwise empty. */
  release: string;
  from: string;
  to: string;
  /** Milliseconds since the epoch here, seconds on a real machine. */
  deadline: string;
  seconds: string;
  bootId: string;
  /** `unfetched` or empty. */
  code: string;
  why: string;
}

export function loadState(tree: FileTree): State | null {
  const path = `${FOLDER}/state.json`;
  return exists(tree, path) ? (JSON.parse(tree.readFile(path, ROOT).toString()) as State) : null;
}

/** @returns the state as JSON, one line */
export function saveState(tree: FileTree, state: State): string {
  const text = `${JSON.stringify(state)}\n`;
  put(tree, "state.json", text, 0o644);
  return text;
}

/** Keeps what an activation needs besides its state: the token's sum, and the secrets as they are. */
export function keepFormer(tree: FileTree, hostname: string, tokenSum: string): void {
  put(tree, "token", tokenSum);
  put(tree, "key.sum", keySum(tree));
  removeIfThere(tree, `${FOLDER}/confirmed`);
  copyFolder(tree, `${SECRETS}/${hostname}`, keptOf(hostname));
}

export function isToken(tree: FileTree, token: string): boolean {
  const sum = createHash("sha256").update(token).digest("hex");
  return tree.readFile(`${FOLDER}/token`, ROOT).toString() === sum;
}

export const isConfirmed = (tree: FileTree) => exists(tree, `${FOLDER}/confirmed`);
export const markConfirmed = (tree: FileTree) => put(tree, "confirmed", "");

export function forgetSecrets(tree: FileTree, hostname: string): void {
  removeIfThere(tree, keptOf(hostname));
}

/** Not where the host's identity was changed meanwhile: it may not open the old files. */
export function returnSecrets(tree: FileTree, hostname: string): void {
  const kept = keptOf(hostname);
  if (!exists(tree, kept)) return;
  if (tree.readFile(`${FOLDER}/key.sum`, ROOT).toString() === keySum(tree)) {
    copyFolder(tree, kept, `${SECRETS}/${hostname}`);
    revealSecrets(tree);
  }
  tree.remove(kept, ROOT, true);
}

const keptOf = (hostname: string) => `${SECRETS}/.${hostname}.kept`;

function copyFolder(tree: FileTree, from: string, to: string): void {
  const node = exists(tree, from) ? tree.existing(from, ROOT).node : null;
  removeIfThere(tree, to);
  tree.makeDirectories(to, ROOT);
  if (node?.kind !== "dir") return;
  for (const name of node.children.keys()) {
    tree.writeFile(`${to}/${name}`, tree.readFile(`${from}/${name}`, ROOT), ROOT, 0o400);
  }
}

function removeIfThere(tree: FileTree, path: string): void {
  if (exists(tree, path)) tree.remove(path, ROOT, true);
}

function keySum(tree: FileTree): string {
  return createHash("sha256")
    .update(exists(tree, KEY_FILE) ? tree.readFile(KEY_FILE, ROOT) : "")
    .digest("hex");
}

function put(tree: FileTree, name: string, text: string, mode = 0o600): void {
  tree.makeDirectories(FOLDER, ROOT);
  tree.writeFile(`${FOLDER}/${name}`, Buffer.from(text), ROOT, mode);
}
