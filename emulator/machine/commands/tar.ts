import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
import { bytesOutput, latin1FromBytes, unsafeBytesFromLatin1 } from "just-bash";
import { packTar, type TarEntry, unpackTar } from "modern-tar";
import type { Node } from "../files/inode.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, fileText, parseFlags } from "./context.ts";

// Written here and not taken from the interpreter: what matters is modes and owners, and bytes that are not text.

async function tar(args: string[], context: CommandContext, session: Session): Promise<ExecResult> {
  const first = args[0] ?? "";
  const dashed = first.startsWith("-") ? args : [`-${first}`, ...args.slice(1)];
  const { flags, operands } = parseFlags(dashed, "Cf");
  const base = context.fs.resolvePath(context.cwd, flags.get("C") ?? flags.get("directory") ?? ".");
  const isZipped = flags.has("z") || flags.has("gzip");
  const file = flags.get("f") ?? "-";
  try {
    if (flags.has("x")) {
      const packed =
        file === "-"
          ? Buffer.from(latin1FromBytes(context.stdin), "latin1")
          : session.fs.tree.readFile(context.fs.resolvePath(context.cwd, file), session.user);
      return await extract(isZipped ? gunzipSync(packed) : packed, base, flags, session);
    }
    if (flags.has("c")) return await create(base, operands, file, isZipped, session);
    return failed("tar: only -x and -c are emulated", 2);
  } catch (error) {
    return failed(`tar: ${fileText(error)}\ntar: Error is not recoverable: exiting now`, 2);
  }
}

async function extract(
  packed: Uint8Array,
  base: string,
  flags: Map<string, string>,
  session: Session,
): Promise<ExecResult> {
  if (packed.length < 512)
    return failed(
      "tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors",
      2,
    );
  const { tree } = session.fs;
  const asRoot = session.user.uid === 0;
  const keepsOwner = asRoot && !flags.has("no-same-owner");
  const keepsMode = asRoot || flags.has("p");
  let names = "";
  let errors = "";
  for (const entry of await unpackTar(packed)) {
    const { header } = entry;
    const relative = header.name.replace(/^\/+/, "");
    if (relative.split("/").includes("..")) {
      errors += `tar: ${header.name}: Member name contains '..'\n`;
      continue;
    }
    const target = `${base}/${relative}`.replace(/\/+$/, "") || "/";
    names += `${header.name}\n`;
    const node = place(entry, target, session);
    if (node === null) continue;
    const mode = (header.mode ?? 0o644) & 0o7777;
    if (node.kind !== "link") node.mode = keepsMode ? mode : mode & ~session.fs.umask;
    node.uid = keepsOwner ? (header.uid ?? 0) : session.user.uid;
    node.gid = keepsOwner ? (header.gid ?? 0) : session.user.gid;
    tree.find(target, session.user, false).volume.changed();
  }
  const stdout = flags.has("v") ? names : "";
  return { stdout, stderr: errors, exitCode: errors === "" ? 0 : 2 };
}

function place(
  entry: { header: TarEntry["header"]; data?: Uint8Array | undefined },
  target: string,
  session: Session,
): Node | null {
  const { tree } = session.fs;
  const { user } = session;
  const { header } = entry;
  if (header.type === "directory") {
    tree.makeDirectories(target, user);
    return tree.existing(target, user).node;
  }
  tree.makeDirectories(target.replace(/\/[^/]*$/, "") || "/", user);
  // As GNU tar: what is there is unlinked first, so a link in the way is replaced and not followed.
  const present = tree.find(target, user, false).node;
  if (present !== null && present.kind !== "dir") tree.remove(target, user, false);
  if (header.type === "symlink") tree.makeLink(header.linkname ?? "", target, user);
  else if (header.type === "file") tree.writeFile(target, entry.data ?? new Uint8Array(), user);
  else return null;
  return tree.existing(target, user, false).node;
}

async function create(
  base: string,
  operands: string[],
  file: string,
  isZipped: boolean,
  session: Session,
): Promise<ExecResult> {
  const entries: TarEntry[] = [];
  for (const operand of operands.length === 0 ? ["."] : operands) collect(base, operand, session, entries);
  const plain = Buffer.from(await packTar(entries));
  const packed = isZipped ? gzipSync(plain) : plain;
  if (file !== "-") {
    session.fs.tree.writeFile(session.fs.resolvePath(base, file), packed, session.user);
    return { stdout: "", stderr: "", exitCode: 0 };
  }
  return { ...bytesOutput(unsafeBytesFromLatin1(packed.toString("latin1"))), stderr: "", exitCode: 0 };
}

function collect(base: string, relative: string, session: Session, into: TarEntry[]): void {
  const path = session.fs.resolvePath(base, relative);
  const { node } = session.fs.tree.existing(path, session.user, false);
  const common = { name: relative, mode: node.mode, uid: node.uid, gid: node.gid, mtime: new Date(node.mtime) };
  if (node.kind === "link") {
    into.push({ header: { ...common, type: "symlink", size: 0, linkname: node.target } });
  } else if (node.kind === "file") {
    const data = session.fs.tree.readFile(path, session.user);
    into.push({ header: { ...common, type: "file", size: data.length }, body: new Uint8Array(data) });
  } else {
    into.push({ header: { ...common, name: `${relative.replace(/\/$/, "")}/`, type: "directory", size: 0 } });
    for (const name of node.children.keys()) collect(base, `${relative}/${name}`, session, into);
  }
}

export const tarCommands: CommandTable = { tar };
