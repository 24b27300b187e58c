import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sync as writeFileAtomicSync } from "write-file-atomic";
import type { DirectoryNode, FileNode, Node } from "./inode.ts";

interface StoredNode {
  path: string;
  kind: Node["kind"];
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  target?: string;
}

const SAVE_DELAY_MS = 25;
const PLAIN_FILE = 0o600;
const PLAIN_DIR = 0o700;

/**
 * One disk: a tree in memory with owners, modes and symbolic links, and the contents of its files in a folder of the same
 * layout. Links live in the tree alone, so the folder holds none, and no path made of a guest's names can leave it.
 * Owners and modes are in `<folder>.json`, since the emulator does not need to run as root.
 */
export class Volume {
  readonly root: DirectoryNode = directory(0o755);
  readonly #folder: string | null;
  readonly #contents = new WeakMap<FileNode, Buffer>();
  #timer: NodeJS.Timeout | null = null;

  /** @param folder null for a disk in memory, such as /proc. */
  constructor(folder: string | null) {
    this.#folder = folder;
    if (folder === null) return;
    mkdirSync(folder, { recursive: true, mode: PLAIN_DIR });
    this.#load(folder);
  }

  read(path: readonly string[], node: FileNode): Buffer {
    if (this.#folder === null) return this.#contents.get(node) ?? Buffer.alloc(0);
    return withFile(this.#hostPath(path), constants.O_RDONLY, (file) => readFileSync(file));
  }

  write(path: readonly string[], node: FileNode, content: Uint8Array): void {
    node.size = content.length;
    node.mtime = Date.now();
    if (this.#folder === null) {
      this.#contents.set(node, Buffer.from(content));
      return;
    }
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    withFile(this.#hostPath(path), flags, (file) => writeFileSync(file, content));
    this.changed();
  }

  /** Makes the folder of a directory that was just added to the tree. */
  makeDirectory(path: readonly string[]): void {
    if (this.#folder !== null) mkdirSync(this.#hostPath(path), { recursive: true, mode: PLAIN_DIR });
    this.changed();
  }

  /** Removes what was at a path, however much it was. */
  removeContents(path: readonly string[]): void {
    if (this.#folder !== null) rmSync(this.#hostPath(path), { recursive: true, force: true });
    this.changed();
  }

  moveContents(from: readonly string[], to: readonly string[], node: Node): void {
    if (this.#folder !== null && node.kind !== "link") renameSync(this.#hostPath(from), this.#hostPath(to));
    this.changed();
  }

  /** Nothing is left on it. */
  wipe(): void {
    for (const name of this.root.children.keys()) this.removeContents([name]);
    this.root.children.clear();
    this.root.mode = 0o755;
    this.changed();
  }

  /** Becomes what the other one is: contents, owners, modes and links. */
  copyFrom(other: Volume): void {
    this.wipe();
    this.#copyDirectory(other, other.root, this.root, []);
    this.changed();
  }

  #copyDirectory(other: Volume, from: DirectoryNode, to: DirectoryNode, path: string[]): void {
    Object.assign(to, owned(from));
    for (const [name, node] of from.children) {
      const at = [...path, name];
      const copy: Node = node.kind === "dir" ? directory(node.mode) : { ...node };
      to.children.set(name, copy);
      if (node.kind === "dir" && copy.kind === "dir") {
        this.makeDirectory(at);
        this.#copyDirectory(other, node, copy, at);
      } else if (node.kind === "file" && copy.kind === "file") {
        this.write(at, copy, other.read(at, node));
        copy.mtime = node.mtime;
      }
    }
  }

  /** To be called after every change of the tree. */
  changed(): void {
    if (this.#folder === null) return;
    this.#timer ??= setTimeout(() => this.flush(), SAVE_DELAY_MS);
  }

  flush(): void {
    if (this.#folder === null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const nodes: StoredNode[] = [];
    store(this.root, "", nodes);
    writeFileAtomicSync(`${this.#folder}.json`, JSON.stringify(nodes), { mode: 0o600, fsync: false });
  }

  #hostPath(path: readonly string[]): string {
    for (const name of path) {
      // The tree never holds such names; this is the last line should that ever change.
      if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
        throw new Error(`emulator: '${name}' is not a file name`);
      }
    }
    return join(this.#folder ?? "", ...path);
  }

  /** What is in the folder counts; owners and modes come from the file beside it where it knows them. */
  #load(folder: string): void {
    let stored: StoredNode[] = [];
    try {
      stored = JSON.parse(readFileSync(`${folder}.json`, "utf8")) as StoredNode[];
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
    const known = new Map(stored.map((node) => [node.path, node]));
    this.#loadDirectory(this.root, [], known);
    for (const node of stored) {
      if (node.kind !== "link") continue;
      const names = node.path.split("/").filter((name) => name !== "");
      const parent = this.#directoryAt(names.slice(0, -1));
      const name = names.at(-1);
      if (parent === null || name === undefined || parent.children.has(name)) continue;
      parent.children.set(name, { ...owned(node), kind: "link", target: node.target ?? "" });
    }
  }

  #loadDirectory(node: DirectoryNode, path: string[], known: Map<string, StoredNode>): void {
    const self = known.get(`/${path.join("/")}`);
    if (self !== undefined) Object.assign(node, owned(self));
    for (const entry of readdirSync(this.#hostPath(path), { withFileTypes: true })) {
      const childPath = [...path, entry.name];
      const about = known.get(`/${childPath.join("/")}`);
      if (entry.isDirectory()) {
        const child = directory(0o755);
        node.children.set(entry.name, child);
        this.#loadDirectory(child, childPath, known);
      } else if (entry.isFile()) {
        const { size, mtimeMs } = statSync(this.#hostPath(childPath));
        const owner = about === undefined ? { mode: 0o644, uid: 0, gid: 0, mtime: mtimeMs } : owned(about);
        node.children.set(entry.name, { ...owner, kind: "file", size });
      }
    }
  }

  #directoryAt(path: string[]): DirectoryNode | null {
    let node: Node = this.root;
    for (const name of path) {
      const next: Node | undefined = node.kind === "dir" ? node.children.get(name) : undefined;
      if (next === undefined) return null;
      node = next;
    }
    return node.kind === "dir" ? node : null;
  }
}

/** Never through a link: the folder holds none of ours, and one planted from outside must lead nowhere. */
function withFile<T>(path: string, flags: number, use: (file: number) => T): T {
  const file = openSync(path, flags | constants.O_NOFOLLOW, PLAIN_FILE);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

export function directory(mode: number, uid = 0, gid = 0): DirectoryNode {
  return { kind: "dir", mode, uid, gid, mtime: Date.now(), children: new Map() };
}

function owned(node: { mode: number; uid: number; gid: number; mtime: number }) {
  return { mode: node.mode, uid: node.uid, gid: node.gid, mtime: node.mtime };
}

function store(node: Node, path: string, into: StoredNode[]): void {
  const base = { path: path === "" ? "/" : path, kind: node.kind, ...owned(node) };
  into.push(node.kind === "link" ? { ...base, target: node.target } : base);
  if (node.kind !== "dir") return;
  for (const [name, child] of node.children) store(child, `${path}/${name}`, into);
}
