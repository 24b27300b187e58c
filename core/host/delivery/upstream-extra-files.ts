import { lstatSync, readdirSync, readFileSync, type Stats } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import { shellQuoted } from "../../base/wording.ts";
import type { HostLayout, Layout } from "../../project/layout.ts";
import { type ExtraFile, foldersAbove } from "./extra-files.ts";

/**
 * The tree of `.clawdlets/extra-files/<host>/`. Upstream creates it and sends it unchanged; operators add files of their own.
 * @see regenrek/clawdlets b49d4af, docs/secrets.md
 */
export interface UpstreamTree {
  /** Files and folders by path on the host. */
  entries: ReadonlyMap<string, ExtraFile>;
  /** Everything that cannot be sent unchanged. */
  problems: Problem[];
}

/**
 * Reads the tree, with contents, so that anything unreadable is found before a server is bought. Empty if there is none.
 * Follows no links.
 * @param own paths of the files that are ours, see {@link ownPathsOf}
 */
export function readUpstreamTree(layout: Layout, host: HostLayout, own: readonly string[]): UpstreamTree {
  const entries = new Map<string, ExtraFile>();
  const problems: Problem[] = [];
  const report = (file: string, objection: Objection) =>
    void problems.push({ subject: pathText(relative(layout.root, file)), setting: "extra-files", ...objection });

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
      report(file, {
        code: "file-unreadable",
        problem: `could not be read: ${messageOf(error)}.`,
        fix: "Fix its owner or mode, or remove it.",
      });
    }
  };
  const visitFolder = (folder: string, path: string, { mode }: Stats): void => {
    // Others can list the folder if they can here. They can always enter it: the admin checks files by name later.
    const sent = (mode & 0o004) === 0 ? 0o711 : 0o755;
    if (path !== "/") entries.set(path, { path, mode: sent, content: null, added: true });
    for (const name of readdirSync(folder).sort()) {
      if (isPlainName(name)) visit(join(folder, name), posix.join(path, name));
      else {
        report(join(folder, name), {
          code: "file-invalid",
          problem: "has a control character or invalid UTF-8 in its name.",
          fix: "Rename or remove it.",
        });
      }
    }
  };

  const parent = dirname(host.extraFiles);
  if (lstatSync(parent, { throwIfNoEntry: false })?.isSymbolicLink()) report(parent, link);
  else visit(host.extraFiles, "/");
  return { entries, problems };
}

/** A newline would break the check of delivered files; U+FFFD is what Node shows for invalid UTF-8. */
const isPlainName = (name: string) => !/[\p{Cc}\ufffd]/u.test(name);

/** Escapes control and format characters (terminal injection): anyone may have chosen these file names. */
const pathText = (path: string) =>
  path.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

const link: Objection = {
  code: "file-invalid",
  problem: "is a link.",
  fix: "Put the file or folder itself there, or have the host's Nix configuration make the link.",
};

/** Why this cannot be sent, and the fix. */
function faultOf(file: string, stat: Stats): Objection | undefined {
  const octal = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  const wrongMode = (why: string, change: string): Objection => {
    const fix = `Change it: chmod ${change} ${shellQuoted(pathText(file))}`;
    return { code: "file-invalid", problem: `has mode ${octal}: ${why}.`, fix };
  };
  if (stat.isSymbolicLink()) return link;
  if (stat.isDirectory()) {
    return isOpen(stat) ? undefined : wrongMode("its owner cannot enter and list it", "u+rx");
  }
  if (!stat.isFile()) {
    const problem = "is a socket, a pipe or a device, which cannot be sent.";
    return { code: "file-invalid", problem, fix: "Remove it." };
  }
  if ((stat.mode & 0o7000) !== 0) return wrongMode("setuid, setgid or sticky", "u-s,g-s,-t");
  if ((stat.mode & 0o022) !== 0) return wrongMode("others may write to it", "go-w");
  if (stat.nlink > 1) {
    const problem = `is one file under ${stat.nlink} names (hard link).`;
    return { code: "file-invalid", problem, fix: "Replace it with a separate copy." };
  }
  return undefined;
}

/** Decided by the mode, not by trying: root can enter every folder, and the result must not depend on the user. */
const isOpen = (folder: Stats) => (folder.mode & 0o500) === 0o500;

/** A file where ours needs a folder, or the other way round. */
function collisionOf(path: string, stat: Stats, own: readonly string[]): Objection | undefined {
  if (stat.isSymbolicLink()) return undefined;
  if (stat.isDirectory()) {
    return own.includes(path) ? inTheWay(`is a folder, but ${path} has to be a file.`) : undefined;
  }
  const below = path === "/" ? own[0] : own.find((each) => foldersAbove(each).includes(path));
  return below === undefined ? undefined : inTheWay(`is not a folder, but ${below} is below it on the host.`);
}

const inTheWay = (problem: string): Objection => ({ code: "file-in-the-way", problem, fix: "Move or remove it." });
