/** @file How long work tells a person what it does. Nothing below the command line prints: it is handed a reporter. */

/** Work of a known length under way, e.g. 200 images. */
export interface Task {
  /** `done` of the parts are finished; calls may come as often as they like. */
  update(done: number): void;
  /** The work is over, or given up; further calls do nothing. */
  end(): void;
}

export interface Reporter {
  /** A line that stays: a fact about the work, e.g. "Training on 40 images of scenes train, panoptic". */
  say(text: string): void;
  /** A line that stays: something is not as it should be, but the work goes on. Without "Warning:". */
  warn(text: string): void;
  /** Begins work of `total` parts, e.g. `begin("Rendering scenes", 200)`. One piece of work is shown at a time: the last begun. */
  begin(what: string, total: number): Task;
}

/** Tells nobody: the default of every exported function that takes a reporter. */
export const SILENT: Reporter = { say() {}, warn() {}, begin: () => ({ update() {}, end() {} }) };
