/** @file The signals that ask a process to end. */

/** Ctrl-C, kill, and a terminal that closes. */
export const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
