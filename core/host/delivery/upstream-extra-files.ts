import { lstatSync, readdirSync, readFileSync, type Stats } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { messageOf, type Problem } from "../../base/errors.ts";
import type { HostLayout, Layout } from "../../project/layout.ts";
import { type ExtraFile, foldersAbove } from "./extra-files.ts";

/**
 * `.clawdlets/extra-files/<host>/`: made by upstream, which sends it as it stands. Operators put files of their own
 * there.
 * @see regenrek/clawdlets b49d4af, docs/secrets.md
 */
export interface UpstreamTree {
  /** Files and folders by path on the host. */
  entries: ReadonlyMap<string, ExtraFile>;
  /** Everything that cannot be sent as it stands. */
  problems: Problem[];
}

/**
 * Reads the tree, nothing where there is none. Follows no link. Contents are read too: what fails here fails before a
 * server is bought.
 * @param own paths of the files that are ours, see {@link ownPathsOf}
 */
export function readUpstreamTree(layout: Layout, host: HostLayout, own: readonly string[]): UpstreamTree {
  const entries = new Map<string, ExtraFile>();
  const problems: Problem[] = [];
  const report = (file: string, message: string) =>
    void problems.push({ where: shown(relative(layout.root, file)), setting: "extra-files", message });

  const visit = (file: string, path: string): void => {
    try {
      const stat = lstatSync(file, { throwIfNoEntry: false });
      if (!stat) return;
      for (const fault of [faultOf(file, stat), collisionOf(path, stat, own)]) if (fault) report(file, fault);
      if (stat.isDirectory() && isOpen(stat)) visitFolder(file, path, stat);
      if (stat.isFile()) {
        entries.set(path, { path, mode: stat.mode & 0o7777, content: readFileSync(file), added: true });
      }
    } catch (error) {
      report(file, `could not be read: ${messageOf(error)}. Mend its owner or mode, or remove it.`);
    }
  };
  const visitFolder = (folder: string, path: string, { mode }: Stats): void => {
    // Others list it on the host where they may here. They always enter it: the admin looks at files by name later.
    const sent = (mode & 0o004) === 0 ? 0o711 : 0o755;
    if (path !== "/") entries.set(path, { path, mode: sent, content: null, added: true });
    for (const name of readdirSync(folder).sort()) {
      if (isPlainName(name)) visit(join(folder, name), posix.join(path, name));
      else report(join(folder, name), "has a control character or invalid UTF-8 in its name. Rename or remove it.");
    }
  };

  const parent = dirname(host.extraFiles);
  if (lstatSync(parent, { throwIfNoEntry: false })?.isSymbolicLink()) report(parent, link);
  else visit(host.extraFiles, "/");
  return { entries, problems };
}

/** A newline would break the look at what arrived; U+FFFD is what Node shows for bytes that are no UTF-8. */
const isPlainName = (name: string) => !/[\p{Cc}\ufffd]/u.test(name);

/** Fit for a terminal: the names are the one thing here that anybody may have chosen. */
const shown = (path: string) =>
  path.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

const link = "is a link. Put the file or folder itself there, or have the host's Nix configuration make the link.";

/** Why this cannot be sent as it stands, and the mend. */
function faultOf(file: string, stat: Stats): string | undefined {
  const octal = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  const mend = (change: string) => `Mend: chmod ${change} '${shown(file).replaceAll("'", `'\\''`)}'`;
  if (stat.isSymbolicLink()) return link;
  if (stat.isDirectory()) {
    return isOpen(stat) ? undefined : `has mode ${octal}: its owner cannot enter and list it. ${mend("u+rx")}`;
  }
  if (!stat.isFile()) return "is a socket, a pipe or a device, which cannot be sent. Remove it.";
  if ((stat.mode & 0o7000) !== 0) return `has mode ${octal}: setuid, setgid or sticky. ${mend("u-s,g-s,-t")}`;
  if ((stat.mode & 0o022) !== 0) return `has mode ${octal}: others may write to it. ${mend("go-w")}`;
  if (stat.nlink > 1) return `is one file under ${stat.nlink} names (hard link). Put a copy of its own there.`;
  return undefined;
}

/** By its mode and not by trying: root enters every folder, and what is found should not hang on who looks. */
const isOpen = (folder: Stats) => (folder.mode & 0o500) === 0o500;

/** A file where one of ours needs a folder, or the other way round. */
function collisionOf(path: string, stat: Stats, own: readonly string[]): string | undefined {
  if (stat.isSymbolicLink()) return undefined;
  if (stat.isDirectory()) {
    return own.includes(path) ? `is a folder, but ${path} has to be a file. Move or remove it.` : undefined;
  }
  const below = path === "/" ? own[0] : own.find((each) => foldersAbove(each).includes(path));
  return below && `is no folder, but ${below} is below it on the host. Move or remove it.`;
}
