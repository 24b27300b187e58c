import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wholeProgram } from "../../../cli/program.ts";
import { describeWith } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { everyCommand } from "../_commands.ts";
import { onScreen } from "../screen/_pty.ts";

const shells = ["bash", "zsh", "fish"] as const;
const folder = mkdtempSync(join(tmpdir(), "clawdlets-completion-"));
const below = join(folder, "hosts");
const scriptOf = (shell: string) => join(folder, `clawdlets.${shell}`);

beforeAll(async () => {
  for (const each of ["stacks", "hosts"]) mkdirSync(join(folder, each));
  const names = ["web-1", "web-2", "db", "$(touch ran)", "`touch ran`"].map((name) => `Pulumi.${name}.yaml`);
  for (const name of [...names, "notes.md"]) writeFileSync(join(folder, "stacks", name), "");
  writeFileSync(join(folder, "Pulumi.yaml"), "");
  for (const shell of shells) {
    const { stdout } = await execa(join(repository, "bin", "clawdlets"), ["completion", shell]);
    writeFileSync(scriptOf(shell), stdout);
  }
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** A checkout may hold a file name that is a command, which no Tab may run. */
afterEach(() => expect([existsSync(join(below, "ran")), existsSync(join(folder, "ran"))]).toEqual([false, false]));

/** What a line is completed to, in a folder of the project below its root. */
const lines: [line: string, completed: string[]][] = [
  ["clawdlets de", ["demo", "destroy"]],
  ["clawdlets secrets ro", ["rotate"]],
  ["clawdlets up --ca", ["--canary"]],
  ["clawdlets up --host w", ["web-1", "web-2"]],
  ["clawdlets up --canary d", ["db"]],
  ["clawdlets secrets edit --host we", ["web-1", "web-2"]],
  ["clawdlets up --host db,web-", ["db,web-1", "db,web-2"]],
  ["clawdlets preview --format j", ["json"]],
  ["clawdlets ssh ", ["db", "web-1", "web-2"]],
  ["clawdlets completion z", ["zsh"]],
];

describeWith({ programs: ["bash"] }, "in bash", () => {
  const ask = `source "$1"; cd "$2"; read -ra COMP_WORDS <<<"$3"; [[ $3 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); compopt() { :; }; _clawdlets; printf '%s\\n' "\${COMPREPLY[@]}"`;
  it.each(lines)("%j", async (line, completed) => {
    const { stdout, stderr } = await execa("bash", ["--norc", "-c", ask, "bash", scriptOf("bash"), below, line]);
    expect([stdout.split("\n").sort(), stderr]).toEqual([completed, ""]);
  });

  it("knows every command, and every option of each", async () => {
    const { stdout: text } = await execa("cat", [scriptOf("bash")]);
    for (const words of await everyCommand()) expect(text).toContain(`  "${words.join(" ")}") if `);
    const up = (await wholeProgram()).commands.find((command) => command.name() === "up");
    const line = text.split("\n").find((each) => each.startsWith('  "up") '));
    for (const { long } of up?.options ?? []) expect(line).toContain(long);
  }, 120_000);

  it("at the Tab of a person", async () => {
    let isTyped = false;
    const type = (raw: string) => {
      if (isTyped || !raw.includes("ready> ")) return undefined;
      isTyped = true;
      return "clawdlets destroy --host d\t--ye\t\u0001echo \u0005\rexit\r";
    };
    writeFileSync(join(folder, "bashrc"), `source ${scriptOf("bash")}; PS1='ready> '\n`);
    const { lines: seen } = await onScreen(`bash --noprofile --rcfile ${join(folder, "bashrc")} -i`, {
      columns: 120,
      cwd: below,
      type,
    });
    expect(seen.map((each) => each.trim())).toContain("clawdlets destroy --host db --yes");
  });
});

describeWith({ programs: ["fish"] }, "in fish", () => {
  it.each(lines)("%j", async (line, completed) => {
    const ask = `source ${scriptOf("fish")}; cd ${below}; complete -C ${JSON.stringify(line)}`;
    const { stdout, stderr } = await execa("fish", ["--no-config", "-c", ask], { env: { HOME: folder } });
    const words = stdout.split("\n").map((each) => each.split("\t")[0] ?? "");
    expect([words.sort(), stderr]).toEqual([completed, ""]);
  });
});

describeWith({ programs: ["zsh"] }, "in zsh", () => {
  // Stand-ins for the builtins that only work at a Tab: they print what would be offered. zsh itself leaves out what does not match.
  const builtins = `compdef() { :; }; compset() { :; }; compadd() { shift $argv[(i)--]; print -rl -- "$@"; }
_describe() { print -rl -- \${(@)\${(@P)argv[-1]}%%:*}; }`;
  it.each(lines)("%j", async (line, completed) => {
    const words = line.split(" ");
    const ask = `${builtins}; source ${scriptOf("zsh")}; cd ${below}; words=("$@"); CURRENT=$#; _clawdlets`;
    const { stdout, stderr } = await execa("zsh", ["-f", "-c", ask, "zsh", ...words]);
    const offered = stdout.split("\n");
    expect(stderr).toBe("");
    for (const each of completed) expect(offered).toContain(each.replace(/^.*,/, ""));
    expect(offered.some((each) => each.includes("touch"))).toBe(false);
  });
});
