/** @file Names of what a run writes into its folder. */

/** The resolved settings. */
export const SETTINGS_FILE = "config.yaml";

/** The first line of the resolved settings, after `# `: says whose file it is. */
export const SETTINGS_HEADING = "Resolved settings of this run.";

/** Everything that a run writes into its folder. */
export const RUN_FILES = {
  settings: SETTINGS_FILE,
  metrics: "metrics.jsonl",
  skipped: "skipped.jsonl",
  failure: "failure.json",
  report: "report.html",
  events: "tensorboard",
  checkpoints: "checkpoints",
} as const;
