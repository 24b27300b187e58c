import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/_debian.ts", "test/_left-guards.ts"],
    // Two workers: the machines that run this have two cores, and an engine run in each fills them.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
