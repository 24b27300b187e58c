import type { Credentials, DirectoryNode, Node } from "./inode.ts";
import { EXECUTE, FsError, mayAccess, READ, WRITE } from "./inode.ts";
import { directory, type Volume } from "./volume.ts";

const LINKS_MAX = 40;

/** A place in the mounted tree: found, or free to be made (`node` null, its directory there). */
export interface Place {
  volume: Volume;
  /** Below the volume's root. */
  path: readonly string[];
  /** From the machine's root, without links. */
  absolute: string;
  parent: DirectoryNode | null;
  name: string;
  node: Node | null;
}

/**
 * The file system of one machine: volumes mounted in one tree, with Unix permissions. Everything is synchronous and in
 * one process, so each call is atomic.
 */
export class FileTree {
  /** By mount point; `/` must be there. */
  readonly mounts = new Map<string, Volume>();

  constructor(root: Volume) {
    this.mounts.set("/", root);
  }

  /** Walks a path, through links and mounts. `..` at the root stays there: there is nothing above it. */
  find(path: string, who: Credentials, followLast = true, links = 0): Place {
    if (path.includes("\0")) throw new FsError("EINVAL", "open", path);
    let place = this.#mountRoot("/");
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      if (name === "..") {
        place = this.find(dirname(place.absolute), who);
        continue;
      }
      const { node } = place;
      if (node === null) throw new FsError("ENOENT", "open", path);
      if (node.kind !== "dir") throw new FsError("ENOTDIR", "open", path);
      if (!mayAccess(node, who, EXECUTE)) throw new FsError("EACCES", "open", path);
      place = this.#child(place, node, name);
      if (place.node?.kind !== "link" || (isLast && !followLast)) continue;
      if (links >= LINKS_MAX) throw new FsError("ELOOP", "open", path);
      const target = place.node.target.startsWith("/")
        ? place.node.target
        : `${dirname(place.absolute)}/${place.node.target}`;
      place = this.find(target, who, true, links + 1);
    }
    return place;
  }

  existing(path: string, who: Credentials, followLast = true): Place & { node: Node } {
    const place = this.find(path, who, followLast);
    if (place.node === null) throw new FsError("ENOENT", "open", path);
    return { ...place, node: place.node };
  }

  readFile(path: string, who: Credentials): Buffer {
    const { node, volume, path: within } = this.existing(path, who);
    if (node.kind === "dir") throw new FsError("EISDIR", "read", path);
    if (node.kind !== "file") throw new FsError("EINVAL", "read", path);
    if (!mayAccess(node, who, READ)) throw new FsError("EACCES", "open", path);
    return volume.read(within, node);
  }

  /** @param mode of a file that is made; one that is there keeps its own. */
  writeFile(path: string, content: Uint8Array, who: Credentials, mode = 0o644): void {
    const place = this.find(path, who);
    if (place.node !== null) {
      if (place.node.kind === "dir") throw new FsError("EISDIR", "open", path);
      if (place.node.kind !== "file") throw new FsError("EINVAL", "open", path);
      if (!mayAccess(place.node, who, WRITE)) throw new FsError("EACCES", "open", path);
      if (place.absolute === "/dev/null") return;
      place.volume.write(place.path, place.node, content);
      return;
    }
    const parent = this.#writableParent(place, who, path);
    const node = { kind: "file" as const, mode, uid: who.uid, gid: who.gid, mtime: Date.now(), size: 0 };
    parent.children.set(place.name, node);
    place.volume.write(place.path, node, content);
  }

  makeDirectory(path: string, who: Credentials, mode = 0o755): void {
    const place = this.find(path, who, false);
    if (place.node !== null) throw new FsError("EEXIST", "mkdir", path);
    this.#writableParent(place, who, path).children.set(place.name, directory(mode, who.uid, who.gid));
    place.volume.makeDirectory(place.path);
  }

  makeDirectories(path: string, who: Credentials, mode = 0o755): void {
    let at = "";
    for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
      at += `/${name}`;
      const place = this.find(at, who);
      if (place.node === null) this.makeDirectory(at, who, mode);
      else if (place.node.kind !== "dir") throw new FsError("ENOTDIR", "mkdir", path);
    }
  }

  makeLink(target: string, path: string, who: Credentials): void {
    const place = this.find(path, who, false);
    if (place.node !== null) throw new FsError("EEXIST", "symlink", path);
    const link = { kind: "link" as const, mode: 0o777, uid: who.uid, gid: who.gid, mtime: Date.now(), target };
    this.#writableParent(place, who, path).children.set(place.name, link);
    place.volume.changed();
  }

  list(path: string, who: Credentials): Map<string, Node> {
    const { node } = this.existing(path, who);
    if (node.kind !== "dir") throw new FsError("ENOTDIR", "scandir", path);
    if (!mayAccess(node, who, READ)) throw new FsError("EACCES", "scandir", path);
    return node.children;
  }

  remove(path: string, who: Credentials, recursive: boolean): void {
    const place = this.find(path, who, false);
    if (place.node === null) throw new FsError("ENOENT", "rm", path);
    if (place.parent === null || this.mounts.has(place.absolute)) throw new FsError("EBUSY", "rm", path);
    if (place.node.kind === "dir" && place.node.children.size > 0 && !recursive) {
      throw new FsError("ENOTEMPTY", "rm", path);
    }
    this.#writableParent(place, who, path).children.delete(place.name);
    place.volume.removeContents(place.path);
  }

  rename(from: string, to: string, who: Credentials): void {
    const source = this.find(from, who, false);
    if (source.node === null || source.parent === null) throw new FsError("ENOENT", "rename", from);
    let target = this.find(to, who, false);
    if (target.node?.kind === "dir") target = this.find(`${to}/${source.name}`, who, false);
    if (source.volume !== target.volume) {
      this.#copy(source.node, from, target.absolute, who);
      this.remove(from, who, true);
      return;
    }
    if (target.node !== null) this.remove(target.absolute, who, true);
    this.#writableParent(source, who, from).children.delete(source.name);
    this.#writableParent(target, who, to).children.set(target.name, source.node);
    source.volume.moveContents(source.path, target.path, source.node);
  }

  /** Copies keep modes, as `cp -a` does; owners are the copier's unless that is root. */
  copy(from: string, to: string, who: Credentials): void {
    this.#copy(this.existing(from, who).node, from, to, who);
  }

  #copy(node: Node, from: string, to: string, who: Credentials): void {
    if (node.kind === "link") {
      this.makeLink(node.target, to, who);
    } else if (node.kind === "file") {
      this.writeFile(to, this.readFile(from, who), who, node.mode);
    } else {
      if (this.find(to, who).node === null) this.makeDirectory(to, who, node.mode);
      for (const [name, child] of node.children) this.#copy(child, `${from}/${name}`, `${to}/${name}`, who);
    }
    const made = this.find(to, who, false).node;
    if (made !== null && who.uid === 0) Object.assign(made, { uid: node.uid, gid: node.gid, mode: node.mode });
  }

  #writableParent(place: Place, who: Credentials, path: string): DirectoryNode {
    if (place.parent === null) throw new FsError("EEXIST", "open", path);
    if (!mayAccess(place.parent, who, WRITE)) throw new FsError("EACCES", "open", path);
    return place.parent;
  }

  #child(place: Place, parent: DirectoryNode, name: string): Place {
    const absolute = place.absolute === "/" ? `/${name}` : `${place.absolute}/${name}`;
    if (this.mounts.has(absolute)) return this.#mountRoot(absolute);
    const node = parent.children.get(name) ?? null;
    return { volume: place.volume, path: [...place.path, name], absolute, parent, name, node };
  }

  #mountRoot(absolute: string): Place {
    const volume = this.mounts.get(absolute);
    if (volume === undefined) throw new Error(`emulator: nothing is mounted at ${absolute}`);
    return { volume, path: [], absolute, parent: null, name: "", node: volume.root };
  }
}

export function dirname(absolute: string): string {
  const slash = absolute.lastIndexOf("/");
  return slash <= 0 ? "/" : absolute.slice(0, slash);
}
