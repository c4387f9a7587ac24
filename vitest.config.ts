import { defineConfig } from "vitest/config";

// Native libraries do not survive worker threads: every test file gets a process of its own, as many at once as there are cores.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: "100%",
    include: ["test/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
