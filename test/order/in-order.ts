import type { RunnerTestSuite } from "vitest";

/**
 * Test files whose tests run in the order in which they are written even where the order is random, with the reason. Every other test
 * runs alone and in any order. test/repo/order.test.ts keeps this list and the next from growing.
 */
export const inOrder: Readonly<Record<string, string>> = {
  "test/engine/adopt-tofu.test.ts": "one OpenTofu state, out of which three hosts are adopted, each with what is left",
  "test/nix/tailnet/bootstrap/bootstrap.test.ts": "one host in a real tailnet, from nothing to nothing",
  "test/toolchain/command.test.ts": "one stack whose commands are changed by one update after the other",
};

/**
 * Files and folders (with a slash) that have not been run in random order yet, so their tests run as they are written, too. Remove an
 * entry once `npm test -- FILE --sequence.shuffle.tests` passes for several seeds.
 */
export const notYetRun: readonly string[] = [
  "test/cli/",
  "test/core/host/activation/activate.test.ts",
  "test/core/host/install/failed-rebuild.test.ts",
  "test/core/host/install/reinstall.test.ts",
  "test/core/host/window/",
  "test/core/project/secrets/killed.test.ts",
  "test/crash/",
  "test/engine/cut-off-state.test.ts",
  "test/engine/host-group.test.ts",
  "test/engine/preview/",
  "test/engine/recovery.test.ts",
  "test/engine/resize.test.ts",
  "test/examples/",
  "test/nix/",
  "test/package/",
  "test/toolchain/",
];

/** @param file path from the repository's root */
export const isInOrder = (file: string) =>
  [...Object.keys(inOrder), ...notYetRun].some(
    (path) => file === path || (path.endsWith("/") && file.startsWith(path)),
  );

/** Called before the first test of a file: its tests and groups run as they are written. */
export function keepOrder(suite: RunnerTestSuite): void {
  suite.shuffle = false;
  for (const task of suite.tasks) if (task.type === "suite") keepOrder(task);
}
