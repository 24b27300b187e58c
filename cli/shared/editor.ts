import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { UserError } from "../../core/base/errors.ts";
import { cleanEnvironment } from "../../core/base/machine/environment.ts";
import type { StopSignal } from "../../core/base/stopped.ts";
import { noteStop } from "../../engine/signals.ts";

/** Memory, where there is some to mount: what is edited then never reaches a disk. */
const memory = "/dev/shm";

/**
 * Lets a person edit a text in $VISUAL or $EDITOR. The file is in a folder only they can enter, and is gone afterwards, also
 * when they stop us. One line end at the end, which editors add, is not part of the text unless it was before.
 */
export async function editText(before: string): Promise<string> {
  const editor = process.env["VISUAL"] || process.env["EDITOR"] || "vi";
  const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), "clawdlets-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const stop = (name: StopSignal) => process.once(name, () => process.exit(noteStop(name).exitCode));
  for (const name of ["SIGTERM", "SIGHUP"] as const) stop(name);
  try {
    const file = join(folder, "secret");
    writeFileSync(file, before, { mode: 0o600 });
    // Through a shell, since an editor may be "code --wait"; the file's name is ours and has nothing a shell would see.
    const { exitCode } = await execa("sh", ["-c", `${editor} "$1"`, "sh", file], {
      env: cleanEnvironment(),
      extendEnv: false,
      stdio: "inherit",
      reject: false,
    });
    if (exitCode !== 0) throw new UserError(`The editor (${editor}) ended with ${exitCode}; nothing was changed.`);
    const after = readFileSync(file, "utf8");
    return before.endsWith("\n") ? after : after.replace(/\r?\n$/, "");
  } finally {
    remove();
    process.off("exit", remove);
  }
}
