import { type ExtraFile, foldersAbove } from "./extra-files.ts";

/** On the host, root's: what deliveries have written, one path a line. Folders end with `/`; those that were there before are left out. */
const list = "/var/lib/clawdlets/delivered";

/** The lines of the list for these files, and for the folders that they need. */
export function deliveredPaths(files: readonly ExtraFile[]): string {
  const paths = files.flatMap(({ path, content }) => [
    content === null ? `${path}/` : path,
    ...foldersAbove(path).map((folder) => `${folder}/`),
  ]);
  return [...new Set(paths)].map((path) => `${path}\n`).join("");
}

/**
 * Shell command that reads {@link deliveredPaths} from standard input before a delivery. It removes what an earlier one wrote and this one
 * does not, and notes what this one will write before it is written, so that nothing of a delivery that is cut off stays for good.
 */
export const removeFormerFiles = `set -eu; umask 077; export LC_ALL=C
cat >${list}.new
touch ${list}
{ grep -vxFf ${list}.new ${list} || :; } | sort -r | while IFS= read -r path; do
  case $path in */) rmdir "$path" 2>/dev/null || : ;; *) rm -f "$path" ;; esac
done
{ grep -xFf ${list}.new ${list} || :; while IFS= read -r path; do [ -d "$path" ] || printf '%s\\n' "$path"; done <${list}.new; } | sort -u >${list}.next
sync; mv ${list}.next ${list}; rm ${list}.new; sync`;
