import { defineConfig } from "vitest/config";
import LongestFirst from "./test/order/longest-first.ts";
import { testProjects } from "./test/projects.ts";

/** Asked for with `--sequence.shuffle` or `--sequence.shuffle.files`; `--sequence.shuffle.tests` leaves the order of files alone. */
const shufflesFiles = process.argv.some((arg) => /^--sequence\.shuffle(\.files)?(=true)?$/.test(arg));

export default defineConfig({
  test: {
    ...(!shufflesFiles && { sequence: { sequencer: LongestFirst } }),
    globalSetup: ["test/_debian.ts", "test/_left-behind.ts"],
    reporters: ["default", "./test/_timings.ts"],
    // Three workers on the two cores that the machines have which run this: tests wait for half of their time, for emulated
    // machines to boot and windows to close.
    maxWorkers: 3,
    projects: testProjects.map(({ name, folders }) => ({
      test: {
        name,
        include: folders.map((folder) => `${folder}/**/*.test.ts`),
        // Tests start programs by tsx, whose cache in /tmp another user may have prepared (bin/compiled/tsx.cjs).
        env: { TSX_DISABLE_CACHE: "1", NODE_DISABLE_COMPILE_CACHE: "1" },
        testTimeout: 30_000,
        hookTimeout: 120_000,
        setupFiles: ["test/_each-file.ts", ...(name === "unit" ? ["test/unit/_alone.ts"] : [])],
        ...(name === "unit" && { isolate: false, pool: "threads" as const }),
      },
    })),
  },
});
