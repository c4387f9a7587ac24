/** @file Folders of small images for runs. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { RandomStream } from "../../src/core/random.js";

const [WIDTH, HEIGHT] = [80, 72];

/** Writes `count` PNG files of coloured waves, 000.png and so on. */
export async function writeImages(folder: string, count: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const random = new RandomStream({ seed: 4, purpose: "waves", sample: i });
    const waves = Array.from({ length: 3 }, () => [
      random.uniform(0.02, 0.3),
      random.uniform(0.02, 0.3),
      random.uniform(0, 6),
    ]);
    const pixels = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, at) => {
      const [x, y] = [Math.floor(at / 3) % WIDTH, Math.floor(at / 3 / WIDTH)];
      const [fx, fy, phase] = waves[at % 3];
      return 127 + 120 * Math.sin(fx * x + fy * y + phase);
    });
    const file = join(folder, `${String(i).padStart(3, "0")}.png`);
    await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .png()
      .toFile(file);
  }
}

/** Cuts a file to its first half. */
export function truncateFile(file: string): void {
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, bytes.length / 2));
}
