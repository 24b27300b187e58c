import { Buffer } from "node:buffer";
import { bytesOutput, latin1FromBytes, unsafeBytesFromLatin1 } from "just-bash";
import type { Node } from "../files/inode.ts";
import { groupName, parseOwner, userName } from "../files/users.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { absolute, failed, fileText, ok, parseFlags } from "./context.ts";
import { newMode } from "./permissions.ts";

// The interpreter has commands of these names too, but they know no owners, and call a file that may not be read missing.

function cat(args: string[], context: CommandContext, session: Session): ExecResult {
  const { operands } = parseFlags(args, "");
  const sources = operands.length === 0 ? ["-"] : operands;
  let out = "";
  let errors = "";
  for (const source of sources) {
    if (source === "-") {
      out += latin1FromBytes(context.stdin);
      continue;
    }
    try {
      out += session.fs.tree.readFile(absolute(context, source), session.user).toString("latin1");
    } catch (error) {
      errors += `cat: ${source}: ${fileText(error)}\n`;
    }
  }
  return { ...bytesOutput(unsafeBytesFromLatin1(out)), stderr: errors, exitCode: errors === "" ? 0 : 1 };
}

const KIND_TEXT: Record<Node["kind"], string> = { dir: "directory", file: "regular file", link: "symbolic link" };
const KIND_BITS: Record<Node["kind"], number> = { dir: 0o040000, file: 0o100000, link: 0o120000 };

function stat(args: string[], context: CommandContext, session: Session): ExecResult {
  const { flags, operands } = parseFlags(args, "c");
  const printf = flags.get("printf");
  const format = flags.get("c") ?? flags.get("format") ?? printf;
  if (format === undefined) return failed("stat: only -c FORMAT and --printf=FORMAT are emulated");
  let out = "";
  let errors = "";
  for (const path of operands) {
    try {
      const { node } = session.fs.tree.existing(absolute(context, path), session.user, flags.has("L"));
      const line = format.replace(/%([aAfFgGnsuUYXyt%])/g, (_all, letter: string) =>
        statField(letter, node, path, session),
      );
      out += printf === undefined ? `${line}\n` : line.replaceAll("\\n", "\n").replaceAll("\\t", "\t");
    } catch (error) {
      errors += `stat: cannot statx '${path}': ${fileText(error)}\n`;
    }
  }
  return { stdout: out, stderr: errors, exitCode: errors === "" ? 0 : 1 };
}

function statField(letter: string, node: Node, path: string, session: Session): string {
  switch (letter) {
    case "a":
      return node.mode.toString(8);
    case "A":
      return `${node.kind === "dir" ? "d" : node.kind === "link" ? "l" : "-"}${permissionText(node.mode)}`;
    case "f":
      return (KIND_BITS[node.kind] | node.mode).toString(16);
    case "F":
      return node.kind === "file" && node.size === 0 ? "regular empty file" : KIND_TEXT[node.kind];
    case "g":
      return String(node.gid);
    case "G":
      return groupName(node.gid);
    case "n":
      return path;
    case "s":
      return String(node.kind === "file" ? node.size : node.kind === "link" ? node.target.length : 4096);
    case "u":
      return String(node.uid);
    case "U":
      return userName(node.uid, session.machine.normalUsers);
    case "X":
    case "Y":
      return String(Math.floor(node.mtime / 1000));
    case "y":
      return new Date(node.mtime).toISOString();
    default:
      return "%";
  }
}

function permissionText(mode: number): string {
  return [6, 3, 0]
    .map((shift) => ["r", "w", "x"].map((letter, bit) => ((mode >> shift) & (4 >> bit) ? letter : "-")).join(""))
    .join("");
}

async function mkdir(args: string[], context: CommandContext, session: Session): Promise<ExecResult> {
  const { flags, operands } = parseFlags(args, "m");
  const modeText = flags.get("m") ?? flags.get("mode");
  for (const path of operands) {
    const target = absolute(context, path);
    try {
      const mode = 0o777 & ~session.fs.umask;
      const existed = await session.fs.exists(target);
      if (flags.has("p") || flags.has("parents")) session.fs.tree.makeDirectories(target, session.user, mode);
      else session.fs.tree.makeDirectory(target, session.user, mode);
      const { node } = session.fs.tree.existing(target, session.user);
      if (modeText !== undefined && !existed) node.mode = newMode(modeText, node.mode, true) ?? node.mode;
    } catch (error) {
      return failed(`mkdir: cannot create directory '${path}': ${fileText(error)}`);
    }
  }
  return ok();
}

function install(args: string[], context: CommandContext, session: Session): ExecResult {
  const { flags, operands } = parseFlags(args, "mog");
  const mode = newMode(flags.get("m") ?? "755", 0, flags.has("d")) ?? 0o755;
  const owner = parseOwner(`${flags.get("o") ?? ""}:${flags.get("g") ?? ""}`, session.machine.normalUsers);
  if (owner === null) return failed("install: invalid owner");
  try {
    const targets = flags.has("d") ? operands : operands.slice(1);
    for (const path of targets) {
      const target = absolute(context, path);
      if (flags.has("d")) {
        session.fs.tree.makeDirectories(target, session.user);
      } else {
        const source = operands[0] ?? "";
        const content =
          source === "/dev/stdin"
            ? Buffer.from(latin1FromBytes(context.stdin), "latin1")
            : session.fs.tree.readFile(absolute(context, source), session.user);
        if (flags.has("D")) session.fs.tree.makeDirectories(target.replace(/\/[^/]*$/, "") || "/", session.user);
        session.fs.tree.writeFile(target, content, session.user, mode);
      }
      const { node, volume } = session.fs.tree.existing(target, session.user);
      node.mode = mode;
      node.uid = owner.uid ?? node.uid;
      node.gid = owner.gid ?? node.gid;
      volume.changed();
    }
  } catch (error) {
    return failed(`install: ${fileText(error)}`);
  }
  return ok();
}

/** `cp`, with `-a` and `-r` alike: copies keep modes, and root's copies owners. */
function cp(args: string[], context: CommandContext, session: Session): ExecResult {
  const { operands } = parseFlags(args, "");
  const destination = operands.pop();
  if (destination === undefined || operands.length === 0) return failed("cp: missing operand");
  const { tree } = session.fs;
  for (const source of operands) {
    try {
      const to = absolute(context, destination);
      const isFolder = tree.find(to, session.user).node?.kind === "dir";
      const target = isFolder ? `${to}/${source.replace(/\/+$/, "").split("/").at(-1)}` : to;
      tree.copy(absolute(context, source), target, session.user);
    } catch (error) {
      return failed(`cp: cannot copy '${source}' to '${destination}': ${fileText(error)}`);
    }
  }
  return ok();
}

export const fileCommands: CommandTable = { cat, stat, mkdir, install, cp };
