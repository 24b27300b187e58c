/** Who acts: decides what may be read and who owns what is made. */
export interface Credentials {
  uid: number;
  gid: number;
  groups: readonly number[];
}

export const ROOT: Credentials = { uid: 0, gid: 0, groups: [0] };

interface Owned {
  mode: number;
  uid: number;
  gid: number;
  /** Milliseconds since the epoch. */
  mtime: number;
}

export interface DirectoryNode extends Owned {
  kind: "dir";
  children: Map<string, Node>;
}

export interface FileNode extends Owned {
  kind: "file";
  size: number;
}

export interface LinkNode extends Owned {
  kind: "link";
  target: string;
}

export type Node = DirectoryNode | FileNode | LinkNode;

export type FsCode =
  | "ENOENT"
  | "EACCES"
  | "EEXIST"
  | "ENOTDIR"
  | "EISDIR"
  | "ELOOP"
  | "ENOTEMPTY"
  | "EINVAL"
  | "EPERM"
  | "EBUSY";

const TEXT: Record<FsCode, string> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EEXIST: "file already exists",
  ENOTDIR: "not a directory",
  EISDIR: "illegal operation on a directory",
  ELOOP: "too many levels of symbolic links",
  ENOTEMPTY: "directory not empty",
  EINVAL: "invalid argument",
  EPERM: "operation not permitted",
  EBUSY: "resource busy or locked",
};

/** In the wording of node:fs, by which the shell's commands recognise the kind. */
export class FsError extends Error {
  readonly code: FsCode;

  constructor(code: FsCode, operation: string, path: string) {
    super(`${code}: ${TEXT[code]}, ${operation} '${path}'`);
    this.code = code;
  }
}

export type Access = 4 | 2 | 1;
export const READ: Access = 4;
export const WRITE: Access = 2;
export const EXECUTE: Access = 1;

export function mayAccess(node: Node, who: Credentials, access: Access): boolean {
  if (who.uid === 0) return access !== EXECUTE || node.kind === "dir" || (node.mode & 0o111) !== 0;
  const shift = node.uid === who.uid ? 6 : who.groups.includes(node.gid) ? 3 : 0;
  return ((node.mode >> shift) & access) !== 0;
}
