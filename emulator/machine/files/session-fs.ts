import { Buffer } from "node:buffer";
import { posix } from "node:path";
import type { FileContent, FsStat, IFileSystem } from "just-bash";
import type { Credentials, Node } from "./inode.ts";
import { FsError } from "./inode.ts";
import type { FileTree } from "./tree.ts";

/** The machine's files as one user of a shell sees them: the port that the shell interpreter asks for. */
export class SessionFs implements IFileSystem {
  readonly tree: FileTree;
  who: Credentials;
  umask = 0o022;

  constructor(tree: FileTree, who: Credentials) {
    this.tree = tree;
    this.who = who;
  }

  async readFile(path: string, options?: unknown): Promise<string> {
    const encoding = typeof options === "string" ? options : encodingOf(options);
    return this.tree.readFile(path, this.who).toString((encoding ?? "utf8") as BufferEncoding);
  }

  async readFileBuffer(path: string): Promise<Uint8Array> {
    return this.tree.readFile(path, this.who);
  }

  async writeFile(path: string, content: FileContent, options?: unknown): Promise<void> {
    this.tree.writeFile(path, bytes(content, options), this.who, 0o666 & ~this.umask);
  }

  async appendFile(path: string, content: FileContent, options?: unknown): Promise<void> {
    const before = this.tree.find(path, this.who).node === null ? Buffer.alloc(0) : this.tree.readFile(path, this.who);
    const all = Buffer.concat([before, bytes(content, options)]);
    this.tree.writeFile(path, all, this.who, 0o666 & ~this.umask);
  }

  async exists(path: string): Promise<boolean> {
    try {
      return this.tree.find(path, this.who).node !== null;
    } catch (error) {
      if (error instanceof FsError) return false;
      throw error;
    }
  }

  async stat(path: string): Promise<FsStat> {
    return statOf(this.tree.existing(path, this.who).node);
  }

  async lstat(path: string): Promise<FsStat> {
    return statOf(this.tree.existing(path, this.who, false).node);
  }

  async mkdir(path: string, options?: { recursive?: boolean }): Promise<void> {
    const mode = 0o777 & ~this.umask;
    if (options?.recursive === true) this.tree.makeDirectories(path, this.who, mode);
    else this.tree.makeDirectory(path, this.who, mode);
  }

  async readdir(path: string): Promise<string[]> {
    return [...this.tree.list(path, this.who).keys()].sort();
  }

  async readdirWithFileTypes(path: string) {
    return [...this.tree.list(path, this.who)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, node]) => ({
        name,
        isFile: node.kind === "file",
        isDirectory: node.kind === "dir",
        isSymbolicLink: node.kind === "link",
      }));
  }

  async rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void> {
    try {
      this.tree.remove(path, this.who, options?.recursive === true);
    } catch (error) {
      if (options?.force === true && error instanceof FsError && error.code === "ENOENT") return;
      throw error;
    }
  }

  async cp(source: string, destination: string): Promise<void> {
    this.tree.copy(source, destination, this.who);
  }

  async mv(source: string, destination: string): Promise<void> {
    this.tree.rename(source, destination, this.who);
  }

  resolvePath(base: string, path: string): string {
    return posix.resolve(base, path);
  }

  getAllPaths(): string[] {
    return [];
  }

  async chmod(path: string, mode: number): Promise<void> {
    const { node, volume } = this.tree.existing(path, this.who);
    if (this.who.uid !== 0 && this.who.uid !== node.uid) throw new FsError("EPERM", "chmod", path);
    node.mode = mode & 0o7777;
    volume.changed();
  }

  async symlink(target: string, linkPath: string): Promise<void> {
    this.tree.makeLink(target, linkPath, this.who);
  }

  async link(existingPath: string, newPath: string): Promise<void> {
    // A copy: nothing that runs here tells the two apart.
    this.tree.copy(existingPath, newPath, this.who);
  }

  async readlink(path: string): Promise<string> {
    const { node } = this.tree.existing(path, this.who, false);
    if (node.kind !== "link") throw new FsError("EINVAL", "readlink", path);
    return node.target;
  }

  async realpath(path: string): Promise<string> {
    return this.tree.existing(path, this.who).absolute;
  }

  async utimes(path: string, _atime: Date, mtime: Date): Promise<void> {
    const { node, volume } = this.tree.existing(path, this.who);
    node.mtime = mtime.getTime();
    volume.changed();
  }
}

function statOf(node: Node): FsStat {
  return {
    isFile: node.kind === "file",
    isDirectory: node.kind === "dir",
    isSymbolicLink: node.kind === "link",
    mode: node.mode,
    size: node.kind === "file" ? node.size : node.kind === "link" ? node.target.length : 4096,
    mtime: new Date(node.mtime),
    identity: identityOf(node),
  };
}

const identities = new WeakMap<Node, string>();
let lastIdentity = 0;

/** Tells nodes apart, as an inode does: `mv` and `cp` refuse to replace a file that may be the same one. */
function identityOf(node: Node): string {
  const known = identities.get(node) ?? String(++lastIdentity);
  identities.set(node, known);
  return known;
}

function bytes(content: FileContent, options: unknown): Buffer {
  if (typeof content !== "string") return Buffer.from(content);
  const encoding = typeof options === "string" ? options : encodingOf(options);
  return Buffer.from(content, (encoding ?? "utf8") as BufferEncoding);
}

function encodingOf(options: unknown): BufferEncoding | null {
  if (typeof options !== "object" || options === null || !("encoding" in options)) return null;
  return typeof options.encoding === "string" ? (options.encoding as BufferEncoding) : null;
}
