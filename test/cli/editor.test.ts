import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it, vi } from "vitest";
import { sweepEdits } from "../../cli/shared/editor.ts";
import { packageRoot } from "../../core/base/machine/package-root.ts";
import { checkTool } from "../_check-tools.ts";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { onTerminal } from "./_terminal.ts";

const canary = "canary-of-the-old-token";
const memory = "/dev/shm";
const edits = () => readdirSync(memory).filter((name) => name.startsWith("clawdlets-edit-"));
/** A program that edits the canary and prints what came of it. */
function program(folder: string): string {
  const file = join(folder, "edit.mts");
  writeFileSync(
    file,
    `import { editText } from ${JSON.stringify(join(packageRoot, "cli/shared/editor.ts"))};
import { writeFileSync } from "node:fs";
writeFileSync(${JSON.stringify(join(folder, "result"))}, await editText(${JSON.stringify(canary)}));
`,
  );
  return `${process.execPath} --import ${import.meta.resolve("tsx")} ${file}`;
}

function homeOf(folder: string): string {
  const home = join(folder, "home");
  mkdirSync(join(home, ".keep"), { recursive: true });
  // As careless as a configuration can be: everything is kept, in places of its own.
  writeFileSync(
    join(home, ".vimrc"),
    `set viminfo='100,<1000 undofile undodir=${home} backup backupdir=${home} directory=${home}\n`,
  );
  writeFileSync(join(home, ".nanorc"), `set backup\nset backupdir "${home}"\nset historylog\nset positionlog\n`);
  writeFileSync(
    join(home, ".emacs"),
    `(setq backup-directory-alist '(("." . "${home}")) auto-save-file-name-transforms '((".*" "${home}/" t)) backup-by-copying t)\n(savehist-mode 1)\n`,
  );
  return home;
}

const textsBelow = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "edit.mts" && entry.name !== "result")
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1"))
    .join("\n");

const editors: [editor: string, answers: [string, string][]][] = [
  ["vim -c 'normal! yy' -c '%s/.*/newer/' -c 'wq'", []],
  ["vim", [[canary, "yyccnewer\u001b:w\r:q\r"]]],
  ["nano", [["GNU nano", "\u000bnewer\u000f\r\u0018"]]],
  ["emacs -nw", [[canary, "\u000bnewer\u0018\u0013\u0018\u0003"]]],
];
for (const [editor, answers] of editors) {
  describeWith({ programs: [editor.split(" ")[0] ?? ""] }, `real ${editor}`, () => {
    it("leaves the old value nowhere", async () => {
      const folder = temporaryFolder();
      const home = homeOf(folder);
      const places = { HOME: home, XDG_STATE_HOME: home, XDG_DATA_HOME: home };
      const environment = { ...places, EDITOR: editor, VISUAL: "", TERM: "xterm", TSX_DISABLE_CACHE: "1" };
      const { exitCode, screen } = await onTerminal(program(folder), answers, { cwd: folder, env: environment });
      expect(exitCode, screen).toBe(0);
      expect(readFileSync(join(folder, "result"), "utf8")).toBe("newer");
      expect(textsBelow(folder)).not.toContain(canary);
      expect(edits()).toEqual([]);
    });
  });
}

describe("where clawdlets is killed while the editor is open", () => {
  async function killed(folder: string, alsoEditor: boolean) {
    const seen = join(folder, "seen");
    const go = join(folder, "go");
    const editor = join(folder, "editor");
    const script = `#!/bin/sh\necho $PPID $$ > ${seen}.part; mv ${seen}.part ${seen}; while [ ! -e ${go} ]; do sleep 0.02; done\n`;
    writeFileSync(editor, script, { mode: 0o700 });
    const child = execa("sh", ["-c", `exec ${program(folder)}`], {
      env: { EDITOR: editor, VISUAL: "", TSX_DISABLE_CACHE: "1" },
      stdio: "ignore", // What outlives it would hold a pipe open.
      reject: false,
    });
    await vi.waitFor(() => expect(existsSync(seen)).toBe(true), { timeout: 20_000 });
    const [left = ""] = edits();
    expect(readFileSync(join(memory, left, "secret"), "utf8")).toBe(canary);
    const pids = readFileSync(seen, "utf8").trim().split(" ").map(Number);
    child.kill("SIGKILL");
    await child;
    if (alsoEditor) for (const pid of pids) process.kill(pid, "SIGKILL");
    return { left: join(memory, left), go };
  }

  it("the shell around the editor removes the text when the editor ends", async () => {
    const { left, go } = await killed(temporaryFolder(), false);
    expect(existsSync(left)).toBe(true);
    writeFileSync(go, "");
    await vi.waitFor(() => expect(existsSync(left)).toBe(false), { timeout: 20_000 });
  });

  it("and the shell with it, the next command about secrets removes it", async () => {
    const { left, go } = await killed(temporaryFolder(), true);
    writeFileSync(go, "");
    expect(existsSync(left)).toBe(true);
    sweepEdits();
    expect(existsSync(left)).toBe(false);
  });

  it("a text that is still being edited stays, and so does what only has the name", () => {
    const start = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")[19];
    const [own, reused] = [`${process.pid}-${start}`, `${process.pid}-1`].map((name) =>
      join(memory, `clawdlets-edit-${name}-x`),
    );
    for (const each of [own, reused]) mkdirSync(each ?? "");
    writeFileSync(join(memory, "clawdlets-edit-1-1-file"), "");
    sweepEdits();
    expect([existsSync(own ?? ""), existsSync(reused ?? "")]).toEqual([true, false]);
    expect(existsSync(join(memory, "clawdlets-edit-1-1-file"))).toBe(true);
    for (const each of [own ?? "", join(memory, "clawdlets-edit-1-1-file")]) rmSync(each, { recursive: true });
  });
});

describe("Ctrl-C in an editor", () => {
  /** Sends it to both, as a terminal does. */
  async function interrupted(then: string) {
    const folder = temporaryFolder();
    const editor = join(folder, "editor");
    writeFileSync(editor, `#!/bin/sh\ntrap : INT; kill -INT $(ps -o ppid= -p $PPID) $$\n${then}\n`, { mode: 0o700 });
    const env = { EDITOR: editor, VISUAL: "", TSX_DISABLE_CACHE: "1" };
    const child = await execa("sh", ["-c", `exec ${program(folder)}`], { env, reject: false });
    const result = join(folder, "result");
    return { ...child, text: existsSync(result) ? readFileSync(result, "utf8") : undefined };
  }

  it("that goes on is the editor's own business", async () => {
    const { text, stderr } = await interrupted('printf newer >"$1"');
    expect(text, stderr).toBe("newer");
    expect(edits()).toEqual([]);
  });

  it("that ends it stops the command, and the text stays as it was", async () => {
    const { text, stderr } = await interrupted('printf newer >"$1"; trap - INT; kill -INT $$');
    expect(text).toBeUndefined();
    expect(stderr).toContain("Stopped in the editor. Nothing was changed.");
    expect(edits()).toEqual([]);
  });
});

it("neither clawdlets nor what it starts leaves a core file", async () => {
  await checkTool("gitleaks"); // doctor would build it first.
  const folder = temporaryFolder();
  const shim = join(folder, "git");
  writeFileSync(shim, `#!/bin/sh\ngrep 'core file' /proc/self/limits >> ${folder}/limits\nexec /usr/bin/git "$@"\n`, {
    mode: 0o700,
  });
  mkdirSync(join(folder, ".clawdlets"), { mode: 0o700 });
  writeFileSync(join(folder, "Pulumi.yaml"), "name: clawdlets\n");
  await execa(process.execPath, [join(packageRoot, "bin", "clawdlets.mjs"), "doctor", "--scope", "repo"], {
    cwd: folder,
    env: { PATH: `${folder}:${process.env["PATH"]}` },
    reject: false,
  });
  expect(readFileSync(join(folder, "limits"), "utf8")).toMatch(/^(Max core file size +1 +1 +bytes *\n)+$/);
}, 400_000);
