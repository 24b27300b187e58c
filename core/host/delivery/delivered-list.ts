import { type ExtraFile, foldersAbove } from "./extra-files.ts";

/** On the host, root's: what deliveries have written, one path a line. Folders end with `/`; those that were there before are left out. */
const list = "/var/lib/clawdlets/delivered";

/** Of these files, and of the folders that they need: folders end with `/`. */
export function deliveredPaths(files: readonly ExtraFile[]): string[] {
  const paths = files.flatMap(({ path, content }) => [
    content === null ? `${path}/` : path,
    ...foldersAbove(path).map((folder) => `${folder}/`),
  ]);
  return [...new Set(paths)];
}

/** One path a line, for standard input. */
export const pathLines = (paths: readonly string[]): Buffer => Buffer.from(paths.map((path) => `${path}\n`).join(""));

/**
 * Shell commands that read {@link pathLines} and remove them, the deepest first; a folder only if it is empty. A path that has become a
 * folder since is one.
 * @param root where the host's `/` is mounted. @default `/` itself
 */
export const removeEach = (root = "") => `LC_ALL=C sort -r | while IFS= read -r path; do
  case $path in */) rmdir "${root}$path" 2>/dev/null || : ;; *) [ -d "${root}$path" ] || rm -f "${root}$path" ;; esac
done`;

/**
 * Shell command that reads {@link pathLines} from standard input before a delivery. It removes what an earlier one wrote and this one
 * does not, and notes what this one will write before it is written, so that nothing of a delivery that is cut off stays for good.
 */
export const removeFormerFiles = `set -eu; umask 077; export LC_ALL=C
cat >${list}.new
touch ${list}
{ grep -vxFf ${list}.new ${list} || :; } | ${removeEach()}
{ grep -xFf ${list}.new ${list} || :; while IFS= read -r path; do [ -d "$path" ] || printf '%s\\n' "$path"; done <${list}.new; } | sort -u >${list}.next
sync; mv ${list}.next ${list}; rm ${list}.new; sync`;
