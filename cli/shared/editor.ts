import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { hasCode, UserError } from "../../core/base/errors.ts";
import { cleanEnvironment } from "../../core/base/machine/environment.ts";
import { Stopped, stopCodes } from "../../core/base/stopped.ts";
import { noteStop, onStopRequest } from "../../engine/signals.ts";

/** Memory, where there is some to mount: what is edited then never reaches a disk. */
const memory = "/dev/shm";

/** The owner's process and when that started stand in the name, so that a later run knows whether it is still there. */
const nameOf = (pid: number) => `clawdlets-edit-${pid}-${startOf(pid) ?? 0}-`;

/**
 * Lets a person edit a text in $VISUAL or $EDITOR. The file is in a folder only they can enter, and is gone afterwards, also
 * when they stop us; where we are killed, the shell around the editor removes it, and otherwise {@link sweepEdits}. The editor's
 * home is in that folder too: histories, swap and backup files go with it, and so does the person's own configuration, which
 * could name other places. One line end at the end, which editors add, is not part of the text unless it was before.
 */
export async function editText(before: string): Promise<string> {
  const editor = process.env["VISUAL"] || process.env["EDITOR"] || "vi";
  const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), nameOf(process.pid)));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  // The terminal sends Ctrl-C to the editor as well, which decides what it means: in ed it ends only the current command.
  const stopHandling = onStopRequest(() => undefined, ["SIGINT"]);
  try {
    const file = join(folder, "secret");
    writeFileSync(file, before, { mode: 0o600 });
    // Through a shell, since an editor may be "code --wait"; the file's name is ours and has nothing a shell would see.
    const script = `${editor} "$1"\ncode=$?\nkill -0 "$2" 2>/dev/null || rm -rf "$3"\nexit $code\n`;
    const { exitCode } = await execa("sh", ["-c", script, "sh", file, String(process.pid), folder], {
      env: privateEnvironment(folder),
      extendEnv: false,
      stdio: "inherit",
      reject: false,
    });
    // Of the shell around an editor that Ctrl-C has ended.
    if (exitCode === stopCodes.SIGINT) {
      noteStop("SIGINT");
      throw new Stopped("SIGINT", "Stopped in the editor. Nothing was changed.");
    }
    if (exitCode !== 0) throw new UserError(`The editor (${editor}) exited with ${exitCode}; nothing was changed.`);
    const after = readFileSync(file, "utf8");
    return before.endsWith("\n") ? after : after.replace(/\r?\n$/, "");
  } finally {
    remove();
    process.off("exit", remove);
    stopHandling();
  }
}

/** Vim and its kin are also told by variables that win over the system's own vimrc, which may name folders of its own. */
function privateEnvironment(folder: string): Record<string, string> {
  const home = join(folder, "home");
  const kinds = ["config", "data", "state", "cache"];
  for (const each of [home, ...kinds.map((kind) => join(home, kind))]) mkdirSync(each, { mode: 0o700 });
  const settings = "set nocompatible noswapfile noundofile nobackup nowritebackup viminfo=";
  return cleanEnvironment({
    HOME: home,
    TMPDIR: folder,
    ...Object.fromEntries(kinds.map((kind) => [`XDG_${kind.toUpperCase()}_HOME`, join(home, kind)])),
    VIMINIT: settings,
    NEXINIT: `set recdir=${folder}`,
    LESSHISTFILE: "-",
    HISTFILE: "/dev/null",
    // A window of an X11 editor needs it, and it is found by HOME otherwise.
    XAUTHORITY: process.env["XAUTHORITY"] ?? join(homedir(), ".Xauthority"),
  });
}

/** Removes what an edit left whose process, and the shell around its editor, were killed. */
export function sweepEdits(): void {
  for (const parent of new Set([memory, tmpdir()])) {
    for (const name of existsSync(parent) ? readdirSync(parent) : []) {
      const [, pid, start] = /^clawdlets-edit-(\d+)-(\d+)-\w+$/.exec(name) ?? [];
      if (pid === undefined || isRunning(Number(pid), start)) continue;
      const path = join(parent, name);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      // Anybody can make a folder there by any name.
      if (stat?.isDirectory() && stat.uid === process.getuid?.()) rmSync(path, { recursive: true, force: true });
    }
  }
}

/** A number of a process is given again: what started at another time is another one. */
function isRunning(pid: number, start: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    if (!hasCode(error, "EPERM")) throw error;
  }
  const now = startOf(pid);
  return now === undefined || start === "0" || now === start;
}

/** In ticks since boot; undefined where there is no /proc. A dead process that nobody has waited for has none. */
function startOf(pid: number): string | undefined {
  try {
    // The name in parentheses may hold anything, blanks included.
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return state === "Z" ? "dead" : fields[18];
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH", "EACCES")) return undefined;
    throw error;
  }
}
