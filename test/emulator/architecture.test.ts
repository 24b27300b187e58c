import { expect, it } from "vitest";
import { ROOT } from "../../emulator/machine/files/inode.ts";
import { FileTree } from "../../emulator/machine/files/tree.ts";
import { Volume } from "../../emulator/machine/files/volume.ts";
import { installSystem } from "../../emulator/machine/system/activation.ts";

it.each([
  ["x86_64-linux", "x86_64-linux", null],
  ["aarch64-linux", "aarch64-linux", null],
  ["x86_64-linux", "aarch64-linux", "Exec format error"],
  ["aarch64-linux", "x86_64-linux", "Exec format error"],
])("a system for %s is installed on a machine that is %s: %j", (system, machine, problem) => {
  const tree = new FileTree(new Volume(null));
  const path = "/nix/store/0-system";
  tree.makeDirectories(`/mnt${path}/etc`, ROOT);
  tree.writeFile(`/mnt${path}/system`, Buffer.from(system), ROOT);
  const answer = installSystem(tree, "/mnt", path, machine);
  expect(answer).toEqual(problem === null ? null : expect.stringContaining(problem));
});
