/**
 * Shell commands that unpack files on a host and replace one of its folders as a whole. What goes below the folder is unpacked beside it and
 * exchanged with it, so that nothing stays that an earlier, repeated delivery had sent. At each moment the disk holds the earlier set or the
 * new one whole: a run that is cut off between two renames leaves the earlier one beside, and the next run moves it back first.
 */
export function swapOf(folder: string): { stagedPath: (path: string) => string; unpack: string } {
  const at = folder.lastIndexOf("/") + 1;
  // As in nix/host/receive-secrets.sh. No host name contains a dot.
  const beside = (suffix: string) => `${folder.slice(0, at)}.${folder.slice(at)}.${suffix}`;
  const [staged, previous] = [beside("new"), beside("previous")];
  const renamed = `mv ${folder} ${previous} && mv ${staged} ${folder}`;
  // coreutils before 9.5 cannot exchange.
  const exchanged = `mv --exchange --no-target-directory ${staged} ${folder} 2>/dev/null || { ${renamed}; }`;
  const emptied = `rm -rf ${staged} ${previous}`;
  const before = `if [ -d ${previous} ] && [ ! -e ${folder} ]; then mv ${previous} ${folder}; fi; ${emptied}`;
  const after = `if [ ! -d ${staged} ]; then rm -rf ${folder}; elif [ -d ${folder} ]; then ${exchanged}; else mv ${staged} ${folder}; fi; ${emptied}`;
  const tar = "tar -C / -xpf - --no-same-owner --no-overwrite-dir";
  return {
    /** Where a file is packed for its place on the host. */
    stagedPath: (path) =>
      path === folder || path.startsWith(`${folder}/`) ? `${staged}${path.slice(folder.length)}` : path,
    /** Reads a tar from standard input. */
    unpack: `set -eu; ${before}; ${tar}; sync; ${after}; sync`,
  };
}
