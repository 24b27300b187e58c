import { parse } from "just-bash";
import { storeScript } from "./commands/install.ts";

const READS_NO_STDIN = new Set([
  "exit",
  "true",
  "false",
  ":",
  "echo",
  "printf",
  "test",
  "[",
  "cd",
  "pwd",
  "mkdir",
  "rmdir",
  "chmod",
  "chown",
  "stat",
  "readlink",
  "ls",
  "rm",
  "cp",
  "mv",
  "ln",
  "id",
  "uname",
  "hostname",
  "whoami",
  "systemctl",
  "reboot",
  "poweroff",
  "shutdown",
  "sync",
  "sleep",
  "set",
  "export",
  "unset",
  "umask",
  "command",
  "type",
  "which",
  "kexec",
  "disko",
  "nixos-install",
  "nix",
  "nix-env",
  "nix-store",
  "nohup",
  "date",
  "touch",
  "realpath",
  "dirname",
  "basename",
  "find",
  "du",
  "install",
  "trap",
  "wait",
  "setsid",
  "arch",
]);
const READS_FILES_IF_NAMED: Record<string, number> = {
  cat: 1,
  sha256sum: 1,
  md5sum: 1,
  head: 1,
  tail: 1,
  wc: 1,
  grep: 2,
  tar: 99,
};

/**
 * Whether a command line may read its standard input. The interpreter takes input as a whole, so such a command waits for
 * its end; one that surely reads none starts at once, as a caller that leaves its input open expects.
 */
export function mayReadStdin(command: string): boolean {
  if (storeScript(command) !== null) return false;
  let script: unknown;
  try {
    script = parse(command);
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
  return commandsIn(script).some(({ name, args }) => {
    if (name === null || READS_NO_STDIN.has(name)) return false;
    const needed = READS_FILES_IF_NAMED[name];
    return needed === undefined || args < needed;
  });
}

function commandsIn(node: unknown, found: { name: string | null; args: number }[] = []) {
  if (Array.isArray(node)) {
    for (const item of node) commandsIn(item, found);
  } else if (typeof node === "object" && node !== null) {
    const record = node as Record<string, unknown>;
    if (record["type"] === "SimpleCommand") found.push(simpleCommand(record));
    for (const value of Object.values(record)) commandsIn(value, found);
  }
  return found;
}

function simpleCommand(node: Record<string, unknown>): { name: string | null; args: number } {
  const name = node["name"] === null ? null : (literal(node["name"])?.replace(/^.*\//, "") ?? "");
  const words = Array.isArray(node["args"]) ? node["args"].map(literal) : [];
  return { name, args: words.filter((word) => word === null || !word.startsWith("-")).length };
}

/** The text of a word without expansions; null where it has some. */
function literal(word: unknown): string | null {
  if (typeof word !== "object" || word === null || !("parts" in word) || !Array.isArray(word.parts)) return null;
  let text = "";
  for (const part of word.parts as { type?: unknown; value?: unknown }[]) {
    if (typeof part.value !== "string") return null;
    text += part.value;
  }
  return text;
}
