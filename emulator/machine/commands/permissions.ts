import type { Node } from "../files/inode.ts";
import { FsError } from "../files/inode.ts";
import { parseOwner } from "../files/users.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { absolute, failed, fileText, parseFlags } from "./context.ts";

/** Applies `change` to paths, and with -R to all below them. */
function onEach(
  name: string,
  paths: string[],
  recursive: boolean,
  context: CommandContext,
  session: Session,
  change: (node: Node) => void,
): ExecResult {
  let errors = "";
  for (const path of paths) {
    try {
      const { node, volume } = session.fs.tree.existing(absolute(context, path), session.user);
      const all = recursive ? withDescendants(node) : [node];
      for (const one of all) {
        if (session.user.uid !== 0 && one.uid !== session.user.uid) throw new FsError("EPERM", name, path);
        change(one);
      }
      volume.changed();
    } catch (error) {
      errors += `${name}: ${name === "chown" ? "changing ownership of" : "changing permissions of"} '${path}': ${fileText(error)}\n`;
    }
  }
  return { stdout: "", stderr: errors, exitCode: errors === "" ? 0 : 1 };
}

function withDescendants(node: Node): Node[] {
  return node.kind === "dir" ? [node, ...[...node.children.values()].flatMap(withDescendants)] : [node];
}

function chown(args: string[], context: CommandContext, session: Session): ExecResult {
  const { flags, operands } = parseFlags(args, "");
  const [ownerText = "", ...paths] = operands;
  const owner = parseOwner(ownerText, session.machine.normalUsers);
  if (owner === null || paths.length === 0) return failed(`chown: invalid user: '${ownerText}'`);
  if (session.user.uid !== 0) return failed(`chown: changing ownership of '${paths[0]}': Operation not permitted`);
  return onEach("chown", paths, flags.has("R") || flags.has("recursive"), context, session, (node) => {
    node.uid = owner.uid ?? node.uid;
    node.gid = owner.gid ?? node.gid;
  });
}

function chmod(args: string[], context: CommandContext, session: Session): ExecResult {
  const recursive = args.includes("-R") || args.includes("--recursive");
  const [modeText = "", ...paths] = args.filter((arg) => !["-R", "--recursive", "-v", "-f", "--"].includes(arg));
  if (newMode(modeText, 0, false) === null) return failed(`chmod: invalid mode: '${modeText}'`);
  return onEach("chmod", paths, recursive, context, session, (node) => {
    if (node.kind !== "link") node.mode = newMode(modeText, node.mode, node.kind === "dir") ?? node.mode;
  });
}

/** Octal, or letters such as `u+x,go-rwx`; null where it is neither. */
export function newMode(text: string, mode: number, isDirectory: boolean): number | null {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  let result = mode;
  for (const clause of text.split(",")) {
    const match = /^([ugoa]*)([-+=])([rwxX]*)$/.exec(clause);
    if (match === null) return null;
    const [, who = "", operator = "", letters = ""] = match;
    for (const [target, shift] of [
      ["u", 6],
      ["g", 3],
      ["o", 0],
    ] as const) {
      if (who !== "" && !who.includes("a") && !who.includes(target)) continue;
      const runs = letters.includes("x") || (letters.includes("X") && (isDirectory || (mode & 0o111) !== 0));
      const bits = ((letters.includes("r") ? 4 : 0) | (letters.includes("w") ? 2 : 0) | (runs ? 1 : 0)) << shift;
      if (operator === "+") result |= bits;
      else if (operator === "-") result &= ~bits;
      else result = (result & ~(7 << shift)) | bits;
    }
  }
  return result;
}

export const permissionCommands: CommandTable = { chown, chmod };
