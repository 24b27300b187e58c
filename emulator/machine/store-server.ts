import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { ServerChannel } from "ssh2";
import { ROOT } from "./files/inode.ts";
import type { FileTree } from "./files/tree.ts";

/**
 * `nix-store --serve`, to which nix speaks on the other side of `nix copy`. It is a conversation, so it cannot wait for the end of its
 * input as other emulated commands do: this machine's nix has it, with an empty store in a temporary folder, and what it has received
 * whole then belongs to the emulated machine.
 */
export interface StoreRequest {
  isWritable: boolean;
  /** The root of the store in the machine, such as `/mnt`. */
  root: string;
}

/** @returns what is asked for, or null if the command is another one */
export function storeRequest(command: string): StoreRequest | null {
  const found = /^\s*(?:\/\S*\/)?nix-store --serve( --write)?(?: --store '?local\?root=(\/[^\s'&]*)'?)?\s*$/.exec(
    command,
  );
  return found && { isWritable: found[1] !== undefined, root: found[2] ?? "/" };
}

/** Nothing is built or fetched for a machine that is emulated. */
const settings = ["--option", "max-jobs", "0", "--option", "substitute", "false", "--option", "build-users-group", ""];

/** How long nix may take to notice that the other side has left. */
const LEAVING_MS = 10_000;

/** Speaks until the other side leaves. Does not throw. @returns the exit code: 127 if this machine has no nix */
export async function serveStore(request: StoreRequest, tree: FileTree, channel: ServerChannel): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "clawdlets-store-"));
  try {
    const store = `local?root=${folder}`;
    const serve = ["--serve", ...(request.isWritable ? ["--write"] : [])];
    const server = spawn("nix-store", [...serve, "--store", store, ...settings], { stdio: "pipe" });
    // Either side may leave while the other one still speaks.
    for (const stream of [server.stdin, server.stdout]) stream.on("error", () => stream.destroy());
    channel.pipe(server.stdin);
    channel.on("close", () => {
      server.stdin.end();
      server.stdout.resume();
      setTimeout(() => server.kill("SIGKILL"), LEAVING_MS).unref();
    });
    server.stdout.pipe(channel, { end: false });
    server.stderr.pipe(channel.stderr, { end: false });
    const [code] = (await once(server, "close")) as [number | null];
    for (const path of await validPaths(store)) await take(join(folder, path), `${request.root}${path}`, tree);
    return code ?? 1;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT";
    const reason = isMissing ? "command not found (the machine that runs the emulator has no nix)" : message;
    channel.stderr.write(`nix-store: ${reason}\n`);
    return isMissing ? 127 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A path that was cut off on its way is not valid, and does not arrive. */
async function validPaths(store: string): Promise<string[]> {
  const args = ["--extra-experimental-features", "nix-command", "path-info", "--all", "--store", store];
  const query = spawn("nix", args, { stdio: ["ignore", "pipe", "ignore"] });
  const chunks: Buffer[] = [];
  query.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(query, "close");
  return Buffer.concat(chunks)
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("/"));
}

async function take(source: string, target: string, tree: FileTree): Promise<void> {
  const parent = target.slice(0, -basename(target).length - 1);
  tree.makeDirectories(parent, ROOT);
  if (tree.find(target, ROOT, false).node !== null) return;
  const { mode, isFile, isDirectory } = await statOf(source);
  if (isFile) return tree.writeFile(target, await readFile(source), ROOT, mode);
  if (!isDirectory) return tree.makeLink(await readlink(source), target, ROOT);
  tree.makeDirectory(target, ROOT, mode);
  for (const name of await readdir(source)) await take(join(source, name), `${target}/${name}`, tree);
}

async function statOf(path: string) {
  const stat = await lstat(path);
  return { mode: stat.mode & 0o7777, isFile: stat.isFile(), isDirectory: stat.isDirectory() };
}
