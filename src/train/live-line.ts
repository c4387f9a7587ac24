/** @file Progress for a person: one line redrawn in place on a terminal, plain lines now and then elsewhere. */

export interface Progress {
  step: number;
  total: number;
  /** Shown in the given order, e.g. `{ loss: 0.81, recon: 0.6, denoise: 0.21 }`. */
  losses: Readonly<Record<string, number>>;
  imagesPerSecond?: number;
  /** Share of the time spent waiting for data, 0 to 1. */
  dataWait?: number;
  secondsLeft?: number;
  /** Resident set size. */
  memoryBytes?: number;
}

/** `59s`, `4:07` or `13:05:59`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  if (h > 0) return `${h}:${two(m)}:${two(s)}`;
  return m > 0 ? `${m}:${two(s)}` : `${s}s`;
}

/** The line for a person, ASCII, cut to `width` characters. Figures that are not known yet are left out. */
export function formatProgress(progress: Progress, width = Number.POSITIVE_INFINITY): string {
  const { step, total, losses, imagesPerSecond, dataWait, secondsLeft, memoryBytes } = progress;
  const parts = [`step ${String(step).padStart(String(total).length)}/${total}`];
  for (const [name, value] of Object.entries(losses)) parts.push(`${name} ${value.toPrecision(4)}`);
  if (imagesPerSecond !== undefined) parts.push(`${imagesPerSecond.toPrecision(3)} images/s`);
  if (dataWait !== undefined) parts.push(`data wait ${Math.round(100 * dataWait)}%`);
  if (secondsLeft !== undefined) parts.push(`ETA ${formatDuration(secondsLeft)}`);
  if (memoryBytes !== undefined) parts.push(`${(memoryBytes / 2 ** 30).toFixed(1)} GiB`);
  return parts.join("  ").slice(0, Math.max(0, width));
}

/** Text from a file name or a library, without what could move the cursor or colour the terminal. */
function printable(message: string): string {
  return message.replace(/[^\P{Cc}\n]/gu, "?");
}

export interface StepReport {
  step: number;
  losses: Readonly<Record<string, number>>;
  /** Images of this step. */
  images: number;
  /** Seconds of this step in which nothing ran for want of data. */
  waitSeconds: number;
}

/** The weight of the newest step in the moving averages: about the last 20 steps count. */
const NEWEST = 0.05;

/**
 * Moving averages of a step's duration, images and data wait. The first step, with the start-up in it, serves only until
 * the second.
 */
function createPace(): (seconds: number, images: number, waitSeconds: number) => readonly [number, number, number] {
  let mean: readonly [number, number, number] = [0, 0, 0];
  let before = 0;
  return (...step) => {
    const weight = Math.max(NEWEST, 1 / Math.max(1, before++));
    mean = [0, 1, 2].map((i) => mean[i] + weight * (step[i] - mean[i])) as [number, number, number];
    return mean;
  };
}

/** The part of `process.stdout` that is used here. */
export interface LineStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface LiveLineOptions {
  total: number;
  stream?: LineStream;
  /** Seconds between lines where there is no terminal. */
  plainEvery?: number;
  /** Seconds of a steady clock. */
  now?: () => number;
}

export interface LiveLine {
  /** Call after every step. */
  update(report: StepReport): void;
  /** Prints a message that stays, above the live line. */
  print(message: string): void;
  /** Shows the last step and leaves the cursor on a new line. */
  close(): void;
}

const REDRAW_EVERY = 0.1;
const CLEAR_LINE = "\r\x1b[K";

/**
 * Starts the progress display. It never throws: a closed pipe or a terminal that went away (EPIPE, EIO) silences it, and the
 * run goes on.
 */
export function openLiveLine({
  total,
  stream = process.stdout,
  plainEvery = 10,
  now = () => performance.now() / 1000,
}: LiveLineOptions): LiveLine {
  const live = stream.isTTY === true && process.env.TERM !== "dumb";
  const pace = createPace();
  let silenced = false;
  let shown = "";
  let pending: Progress | undefined;
  let lastStepAt = now();
  let lastDrawAt = Number.NEGATIVE_INFINITY;

  const write = (text: string) => {
    if (silenced) return;
    try {
      stream.write(text);
    } catch {
      silenced = true;
    }
  };
  stream.on("error", () => {
    silenced = true;
  });

  const draw = () => {
    if (!pending) return;
    lastDrawAt = now();
    // One column stays free: a full line would wrap.
    shown = formatProgress(pending, live ? (stream.columns || 80) - 1 : undefined);
    write(live ? `${CLEAR_LINE}${shown}` : `${shown}\n`);
    pending = undefined;
  };

  return {
    update({ step, losses, images, waitSeconds }) {
      const time = now();
      const [seconds, meanImages, meanWait] = pace(time - lastStepAt, images, waitSeconds);
      lastStepAt = time;
      pending = {
        step,
        total,
        losses,
        imagesPerSecond: meanImages / Math.max(seconds, 1e-6),
        dataWait: Math.min(1, meanWait / Math.max(seconds, 1e-6)),
        secondsLeft: (total - step) * seconds,
        memoryBytes: process.memoryUsage.rss(),
      };
      if (time - lastDrawAt >= (live ? REDRAW_EVERY : plainEvery)) draw();
    },
    print(message) {
      const text = `${printable(message)}\n`;
      write(live && shown ? `${CLEAR_LINE}${text}${shown}` : text);
    },
    close() {
      draw();
      if (live && shown) write("\n");
      shown = "";
    },
  };
}
