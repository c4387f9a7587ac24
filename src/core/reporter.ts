/** @file How long work tells a person what it does. Nothing below the command line prints: it is handed a reporter. */

/** Work of a known length under way, e.g. 200 images. */
export interface Task {
  /** `done` of the parts are finished; calls may come as often as they like. */
  update(done: number): void;
  /** The work is over, or given up; further calls do nothing. */
  end(): void;
}

/** A step of training that is over. */
export interface FinishedStep {
  /** Finished steps. */
  readonly step: number;
  /** Shown in the given order, e.g. `{ loss: 0.81, recon: 0.6, denoise: 0.21 }`. */
  readonly losses: Readonly<Record<string, number>>;
  /** Images of this step. */
  readonly images: number;
  /** Seconds of this step in which nothing ran for want of data. */
  readonly waitSeconds: number;
}

/** Training under way. */
export interface Steps {
  /** Call after every step. */
  update(step: FinishedStep): void;
  /** The last step has been taken: it is shown, and stays. */
  end(): void;
}

/** Of work within work the innermost is shown: what was begun last and has not ended. */
export interface Reporter {
  /** A line that stays: a fact about the work, e.g. "Training on 40 images of scenes train, panoptic". */
  say(text: string): void;
  /** A line that stays: something is not as it should be, but the work goes on. Without "Warning:". */
  warn(text: string): void;
  /** Begins work of `total` parts (0: nobody knows), e.g. `begin("Rendering scenes", 200)`. */
  begin(what: string, total: number): Task;
  /** Begins training that ends with step `total`. */
  steps(total: number): Steps;
}

/** Tells nobody: the default of every exported function that takes a reporter. */
export const SILENT: Reporter = {
  say() {},
  warn() {},
  begin: () => ({ update() {}, end() {} }),
  steps: () => ({ update() {}, end() {} }),
};
