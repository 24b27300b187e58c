import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { build, writeClosure } from "../../stand-ins/anywhere/closure.ts";
import { Exit } from "../../stand-ins/anywhere/exit.ts";
import { ROOT } from "../files/inode.ts";
import type { FileTree } from "../files/tree.ts";
import type { MachineControls } from "./machine-controls.ts";

/** The branch that the emulated host's configuration names. */
const BRANCH = "main";

/**
 * What a host does to build itself: only commits of the branch, as there.
 * @returns the commit and the system, now in the store, or why not
 */
export async function buildFor(
  machine: MachineControls,
  tree: FileTree,
  repository: string,
  asked: string,
): Promise<{ rev: string; system: string } | string> {
  const git = (...args: string[]) => execa("git", ["-C", repository, ...args], { reject: false });
  const newest = await git("rev-parse", "--verify", "--quiet", `refs/heads/${BRANCH}`);
  if (newest.exitCode !== 0) return `cannot fetch branch ${BRANCH} of ${repository}`;
  const rev = asked === "newest" ? newest.stdout : asked;
  const ancestor = await git("merge-base", "--is-ancestor", rev, `refs/heads/${BRANCH}`);
  if (ancestor.exitCode !== 0) return `${rev} is not on branch ${BRANCH} of ${repository}`;
  const failed = `the build of ${rev} failed or took more than 3600 s; see journalctl --unit=clawdlets-activation.service`;
  const folder = await mkdtemp(join(tmpdir(), "clawdlets-emulated-build-"));
  try {
    const built = await build({ uri: `git+file://${encodeURI(repository)}?rev=${rev}`, attribute: machine.hostname });
    if (built.breaks.includes("build")) return failed;
    if (built.repository === null) {
      return "the new system has no clawdlets-activation-watch.service, so it could not roll back on its own";
    }
    await writeClosure(built, folder);
    await copyIn(tree, join(folder, built.system), built.system);
    return { rev, system: built.system };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return failed;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyIn(tree: FileTree, from: string, to: string): Promise<void> {
  tree.makeDirectories(to, ROOT);
  for (const name of await readdir(from)) {
    const found = await stat(join(from, name));
    if (found.isDirectory()) await copyIn(tree, join(from, name), `${to}/${name}`);
    else tree.writeFile(`${to}/${name}`, await readFile(join(from, name)), ROOT, found.mode & 0o777);
  }
}
