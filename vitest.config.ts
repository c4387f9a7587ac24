import { defineConfig } from "vitest/config";

// Native libraries do not survive worker threads: every test file gets a process of its own.
export default defineConfig({
  test: { pool: "forks", include: ["test/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 },
});
