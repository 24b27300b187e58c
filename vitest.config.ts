import { defineConfig } from "vitest/config";
import { testProjects } from "./test/projects.ts";

export default defineConfig({
  test: {
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
