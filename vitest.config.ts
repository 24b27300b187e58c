import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/_debian.ts", "test/_left-guards.ts"],
    // Three workers on the two cores that the machines have which run this: tests wait for half of their time, for emulated
    // machines to boot and windows to close.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
