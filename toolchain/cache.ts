import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { isAbsolute, join } from "node:path";
import type { Component } from "./components.ts";
import { platform } from "./pins.ts";

/** What decides where the cache is. */
export type CacheEnvironment = Readonly<Record<string, string | undefined>>;

/** Entries that no project has used for this long are removed. */
const keptMs = 60 * 24 * 3_600_000;

/** `$XDG_CACHE_HOME/clawdlets/toolchain`, or below `~/.cache`; undefined where neither is set to an absolute path. */
export function cacheFolder({ XDG_CACHE_HOME: cache = "", HOME: home = "" }: CacheEnvironment): string | undefined {
  if (isAbsolute(cache)) return join(cache, "clawdlets", "toolchain");
  return isAbsolute(home) ? join(home, ".cache", "clawdlets", "toolchain") : undefined;
}

/**
 * Built parts, kept outside the project for its other clones on this machine. `entries/` has a file for each part and its sources, with the
 * SHA-256 of what was built; `parts/` has what was built, by its SHA-256, which is checked whenever a part is taken. Whatever is wrong with
 * the cache, the part is built instead.
 */
export class PartCache {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Copies a part to `output`. @returns whether it was there, ours alone, and unchanged */
  take(component: Component, output: string): boolean {
    try {
      this.#checkFolders();
      const entry = this.#entryOf(component);
      const digest = readOwn(entry).toString();
      if (!/^[0-9a-f]{64}$/.test(digest)) throw new Error("the entry is not a digest");
      const content = readOwn(this.#partOf(digest));
      if (digestOf(content) !== digest) throw new Error("the part has changed");
      writeFileSync(output, content, { mode: 0o755 });
      const now = new Date();
      utimesSync(entry, now, now);
      return true;
    } catch {
      return false; // Not there, or not to be trusted: it is built, and replaces what is there.
    }
  }

  /** Keeps a part that was built. @returns why it could not, for a person */
  keep(component: Component): string | undefined {
    try {
      for (const folder of this.#folders()) mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#checkFolders();
      const digest = digestOf(readFileSync(component.target));
      // A copy-on-write one where the file system can: the project's own may be changed or removed.
      whole(this.#partOf(digest), (path) => copyFileSync(component.target, path, constants.COPYFILE_FICLONE), 0o700);
      whole(this.#entryOf(component), (path) => writeFileSync(path, digest), 0o600);
      this.#prune();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #folders = () => [this.folder, join(this.folder, "entries"), join(this.folder, "parts")];

  /** @throws Error where others could put something into it */
  #checkFolders(): void {
    for (const folder of this.#folders()) {
      const stats = lstatSync(folder);
      if (!stats.isDirectory()) throw new Error(`${folder} is not a folder`);
      if (stats.uid !== process.getuid?.()) throw new Error(`${folder} belongs to another user`);
      if ((stats.mode & 0o077) !== 0) throw new Error(`others have access to ${folder}; run: chmod 700 ${folder}`);
    }
  }

  #entryOf = ({ name, stamp }: Component) =>
    join(this.folder, "entries", digestOf(JSON.stringify([name, stamp, platform])));
  #partOf = (digest: string) => join(this.folder, "parts", digest);

  #prune(): void {
    const [, entries = "", parts = ""] = this.#folders();
    const used = new Set<string>();
    for (const name of readdirSync(entries)) {
      const path = join(entries, name);
      if (Date.now() - lstatSync(path).mtimeMs > keptMs) rmSync(path, { force: true });
      else used.add(readFileSync(path, "utf8"));
    }
    for (const name of readdirSync(parts)) if (!used.has(name)) rmSync(join(parts, name), { force: true });
  }
}

const digestOf = (content: Buffer | string) => createHash("sha256").update(content).digest("hex");

/** @throws Error for a link, for another user's file, and for one that others may write to */
function readOwn(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!isOwn(fstatSync(file))) throw new Error(`${path} is not a file of ours alone`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

const isOwn = (stats: Stats) => stats.isFile() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0;

/** Replaces a file by one rename. */
function whole(path: string, write: (path: string) => void, mode: number): void {
  const work = `${path}.${process.pid}`;
  try {
    rmSync(work, { force: true });
    write(work);
    chmodSync(work, mode);
    renameSync(work, path);
  } finally {
    rmSync(work, { force: true });
  }
}
