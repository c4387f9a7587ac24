import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGENET_MEAN, IMAGENET_STD } from "../../src/core/colour-statistics.js";
import { InputError } from "../../src/core/errors.js";
import { compareNatural } from "../../src/core/natural-order.js";
import { RandomStream } from "../../src/core/random.js";
import { centreCrop, denormalise, normalise, randomResizedCrop, renderView } from "../../src/data/augment.js";
import { folderSource } from "../../src/data/files/folder-source.js";
import { createLoader, type LoaderOptions } from "../../src/data/loader.js";
import { batchIndices, createSampler } from "../../src/data/sampler.js";
import type { ImageSource } from "../../src/data/source.js";
import { imageDecoder } from "../../src/io/image-file.js";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "data-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A picture of one grey level, so that a batch shows which image it holds. */
function flat(level: number, width = 20, height = 16): Promise<Buffer> {
  const background = { r: level, g: level, b: level };
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

const levelOf = (images: Float32Array, slot: number, size: number) =>
  Math.round(images[slot * 3 * size * size] * IMAGENET_STD[0] + IMAGENET_MEAN[0]);

describe("folderSource", () => {
  it("finds nested images of any suffix case in natural order and reports what only looks like one", async () => {
    const dir = join(root, "walk");
    const touch = async (path: string) => {
      await mkdir(join(dir, path, ".."), { recursive: true });
      await writeFile(join(dir, path), "x");
    };
    const images = ["a2.jpg", "a10.JPG", "b/c/d 1.PNG", "b/c/été 😀.webp", "x.jpg/inside.tiff"];
    for (const path of [...images, ".hidden.jpg", ".cache/e.jpg", "notes.txt", "old.bmp"]) await touch(path);
    await symlink(join(dir, "nowhere.jpg"), join(dir, "broken.jpg"));
    await symlink(dir, join(dir, "b", "up"));
    await symlink(join(dir, "a2.jpg"), join(dir, "link.jpg"));

    const source = await folderSource(dir);
    const names = Array.from({ length: source.length }, (_, i) => relative(dir, source.name(i)));
    expect(names).toEqual(["a2.jpg", "a10.JPG", "b/c/d 1.PNG", "b/c/été 😀.webp", "link.jpg", "x.jpg/inside.tiff"]);
    expect(source.faults.map(({ file, reason }) => [relative(dir, file), reason])).toEqual([
      ["broken.jpg", "a broken link"],
      ["old.bmp", "the format .bmp is not supported"],
      ["x.jpg", "a folder with an image's name (its content is used)"],
    ]);
    expect(Buffer.from(await source.read(0)).toString()).toBe("x");
  });

  it("takes several folders, one after another, each file once", async () => {
    for (const name of ["one/1.jpg", "two/2.jpg"]) {
      await mkdir(join(root, "many", name, ".."), { recursive: true });
      await writeFile(join(root, "many", name), "");
    }
    const dirs = ["two", "one", "two"].map((name) => join(root, "many", name));
    const source = await folderSource(dirs);
    expect([source.length, source.name(0), source.name(1)]).toEqual([
      2,
      join(dirs[0], "2.jpg"),
      join(dirs[1], "1.jpg"),
    ]);
  });

  it("refuses a missing folder, a file, and a folder without images", async () => {
    const empty = join(root, "empty");
    await mkdir(empty);
    await writeFile(join(empty, "a.heic"), "");
    await expect(folderSource(join(root, "none"))).rejects.toThrow(InputError);
    await expect(folderSource(join(empty, "a.heic"))).rejects.toThrow(/expected a folder/);
    await expect(folderSource(empty)).rejects.toThrow(/at least one image .*found none; .*a\.heic/);
  });

  it.skipIf(process.getuid?.() === 0)("reports a folder it may not read", async () => {
    const dir = join(root, "locked");
    await mkdir(join(dir, "secret"), { recursive: true });
    await writeFile(join(dir, "a.jpg"), "");
    await chmod(join(dir, "secret"), 0);
    const { faults } = await folderSource(dir);
    await chmod(join(dir, "secret"), 0o700);
    expect(faults).toEqual([{ file: join(dir, "secret"), reason: "the folder cannot be read (EACCES)" }]);
  });

  it("rejects a file that vanished with an InputError", async () => {
    const dir = join(root, "vanish");
    await mkdir(dir);
    await writeFile(join(dir, "a.jpg"), "");
    const source = await folderSource(dir);
    await rm(join(dir, "a.jpg"));
    await expect(source.read(0)).rejects.toThrow(InputError);
  });

  it("orders names totally and by number", () => {
    const name = fc.stringMatching(/^[ab01]{0,6}$/);
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compareNatural(a, b))).toBe(-Math.sign(compareNatural(b, a)) + 0);
        expect(compareNatural(a, b) === 0).toBe(a === b);
        if (compareNatural(a, b) < 0 && compareNatural(b, c) < 0) expect(compareNatural(a, c)).toBeLessThan(0);
      }),
      { seed: 1 },
    );
    expect(["i10", "i9", "i09", "i", "i9b"].sort(compareNatural)).toEqual(["i", "i09", "i9", "i9b", "i10"]);
  });
});

describe("sampler", () => {
  it("visits each image once an epoch, whatever the batch, in an order of each epoch's own", () => {
    const shape = {
      seed: fc.nat(),
      batchSize: fc.integer({ min: 1, max: 40 }),
      length: fc.integer({ min: 1, max: 30 }),
    };
    fc.assert(
      fc.property(fc.record(shape), (options) => {
        const { batchSize, length } = options;
        const sampler = createSampler(options);
        const draws = Array.from({ length: Math.ceil((3 * length) / batchSize) }, (_, step) =>
          sampler.batch(step),
        ).flat();
        draws.forEach(({ draw, epoch }, i) => {
          expect([draw, epoch]).toEqual([i, Math.floor(i / length)]);
        });
        for (let epoch = 0; epoch < 3; epoch++) {
          const indices = draws.slice(epoch * length, (epoch + 1) * length).map(({ index }) => index);
          expect(new Set(indices)).toEqual(new Set(Array(length).keys()));
        }
      }),
      { seed: 1, numRuns: 50 },
    );
    const epochs = [0, 1].map((step) => batchIndices(7, step, 50, 50).map(({ index }) => index));
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochs[0]).not.toEqual(batchIndices(8, 0, 50, 50).map(({ index }) => index));
  });

  it("needs no state: any step in any order gives the same draws", () => {
    const options = { seed: 3, batchSize: 7, length: 10 };
    const sampler = createSampler(options);
    for (const step of [40, 2, 41, 0, 3]) expect(sampler.batch(step)).toEqual(batchIndices(3, step, 7, 10));
  });

  it("replaces by the rest of the epoch, each other image once", () => {
    const sampler = createSampler({ seed: 3, batchSize: 4, length: 6 });
    const [draw] = sampler.batch(4); // draw 16: the fifth of epoch 2
    const others = Array.from({ length: 5 }, (_, i) => sampler.replacement(draw, i + 1));
    expect(others.map((other) => other.draw)).toEqual([17, 12, 13, 14, 15]);
    expect(new Set([draw, ...others].map(({ index }) => index)).size).toBe(6);
  });
});

describe("views", () => {
  it("stay inside the image, within scale and ratio, and flip half of the time", () => {
    const rule = randomResizedCrop();
    let flips = 0;
    for (let sample = 0; sample < 2000; sample++) {
      const { left, top, width, height, flip } = rule(200, 150, new RandomStream({ seed: 1, purpose: "crop", sample }));
      flips += Number(flip);
      expect(left >= 0 && top >= 0 && left + width <= 200 && top + height <= 150).toBe(true);
      expect(width / height).toBeGreaterThan(0.73);
      expect(width / height).toBeLessThan(1.36);
      expect((width * height) / (200 * 150)).toBeGreaterThan(0.34);
    }
    expect(Math.abs(flips - 1000)).toBeLessThan(90); // 4 standard deviations
  });

  it("fall back to a centred crop where no trial fits", () => {
    const view = (width: number, height: number) =>
      randomResizedCrop({ scale: [1, 1] })(width, height, new RandomStream({ seed: 1, purpose: "crop" }));
    expect(view(400, 30)).toMatchObject({ left: 180, top: 0, width: 40, height: 30 });
    expect(view(30, 400)).toMatchObject({ left: 0, top: 180, width: 30, height: 40 });
    expect(view(1, 1)).toMatchObject({ left: 0, top: 0, width: 1, height: 1 });
    expect(view(1, 5000)).toMatchObject({ left: 0, width: 1, height: 1 });
  });

  it("normalise to planes, mirrored on request, and back", () => {
    const data = Uint8Array.from({ length: 3 * 6 }, (_, i) => i * 13);
    const [plain, mirrored] = [new Float32Array(18), new Float32Array(18)];
    normalise({ width: 3, height: 2, data }, plain);
    normalise({ width: 3, height: 2, data }, mirrored, true);
    expect(plain[6 + 4]).toBeCloseTo((data[3 * 4 + 1] - 116.28) / 57.12, 5);
    expect(mirrored[6 + 3]).toBe(plain[6 + 5]);
    expect(denormalise(plain, 3, 2).data).toEqual(data);
  });

  it("show the same part as the rule says", async () => {
    const pixels = Uint8Array.from({ length: 3 * 60 * 40 }, (_, i) => (Math.floor(i / 3) % 60) * 4); // brightness = 4 x
    const bytes = await sharp(pixels, { raw: { width: 60, height: 40, channels: 3 } })
      .png()
      .toBuffer();
    const source = { length: 1, decoder: imageDecoder, name: () => "a", read: async () => bytes };
    const out = new Float32Array(3 * 40 * 40);
    const random = new RandomStream({ seed: 1, purpose: "crop" });
    await renderView(source, 0, { size: 40, rule: centreCrop, random }, out);
    const { data } = denormalise(out, 40, 40);
    expect([data[0], data[3 * 39]]).toEqual([4 * 10, 4 * 49]);
    const mirror = () => ({ left: 10, top: 0, width: 40, height: 40, flip: true });
    await renderView(source, 0, { size: 40, rule: mirror, random }, out);
    expect(denormalise(out, 40, 40).data[0]).toBe(4 * 49);
  });
});

describe("loader", () => {
  const SIZE = 8;
  /** Images of grey levels 10, 20, ...; an index of `bad` holds no image. */
  async function memorySource(length: number, bad: readonly number[] = []): Promise<ImageSource> {
    const files = await Promise.all(Array.from({ length }, (_, i) => flat(10 * (i + 1))));
    for (const i of bad) files[i] = Buffer.from("broken");
    return { length, decoder: imageDecoder, name: (i) => `image ${i}`, read: async (i) => files[i] };
  }

  async function batches(options: Partial<LoaderOptions> & { source: ImageSource }, steps: readonly number[]) {
    const loader = createLoader({ seed: 5, batch: 4, size: SIZE, ...options });
    const seen = [];
    for (const step of steps) {
      const { images, names, skipped, release } = await loader.load(step);
      seen.push({ step, images: Float32Array.from(images), names, skipped });
      release();
    }
    await loader.dispose();
    return seen;
  }

  it("gives a step the same batch whatever the prefetch, the order and the start", async () => {
    const pixels = Uint8Array.from({ length: 3 * 64 * 48 }, (_, i) => (Math.imul(i, 2654435761) >>> 20) & 255);
    const textured = await sharp(pixels, { raw: { width: 64, height: 48, channels: 3 } })
      .png()
      .toBuffer();
    const source = { length: 10, decoder: imageDecoder, name: (i: number) => `${i}`, read: async () => textured };
    const straight = await batches({ source }, [0, 1, 2, 3, 4]);
    expect(await batches({ source, prefetch: 0 }, [0, 1, 2, 3, 4])).toEqual(straight);
    expect(await batches({ source, prefetch: 3 }, [0, 1, 2, 3, 4])).toEqual(straight);
    expect(await batches({ source }, [4, 0, 2])).toEqual([straight[4], straight[0], straight[2]]);
    expect(straight[0].images).not.toEqual(straight[1].images);
  });

  it("puts each image in its slot, in shared memory", async () => {
    const source = await memorySource(6);
    const loader = createLoader({ source, seed: 1, batch: 9, size: SIZE });
    const { images, names, skipped } = await loader.load(0);
    expect(images.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(images).toHaveLength(9 * 3 * SIZE * SIZE);
    batchIndices(1, 0, 9, 6).forEach(({ index }, slot) => {
      expect(names[slot]).toBe(`image ${index}`);
      expect(levelOf(images, slot, SIZE)).toBe(10 * (index + 1));
    });
    expect(skipped).toEqual([]);
    await loader.dispose();
  });

  it("replaces bad images by the next of the epoch, names each once, and repeats this on resume", async () => {
    const bad = [2, 3, 7];
    const source = await memorySource(12, bad);
    const seen = await batches({ source, batch: 6 }, [0, 1, 2, 3]);
    const sampler = createSampler({ seed: 5, batchSize: 6, length: 12 });
    for (const { step, names, images } of seen) {
      sampler.batch(step).forEach((draw, slot) => {
        let [chosen, attempt] = [draw, 0];
        while (bad.includes(chosen.index)) chosen = sampler.replacement(draw, ++attempt);
        expect(names[slot]).toBe(`image ${chosen.index}`);
        expect(levelOf(images, slot, SIZE)).toBe(10 * (chosen.index + 1));
      });
    }
    const listed = seen.slice(0, 2).flatMap(({ skipped }) => skipped); // one epoch
    expect(new Set(listed.map(({ file }) => file))).toEqual(new Set(bad.map((i) => `image ${i}`)));
    expect(listed[0].reason).toBe('text ("broken")');
    expect(await batches({ source, batch: 6 }, [2, 3])).toEqual(seen.slice(2));
  });

  it("ends when most images are bad, and only for whoever loads that step", async () => {
    const half = await memorySource(4, [0, 1]);
    expect((await batches({ source: half }, [0]))[0].skipped).toHaveLength(2);
    const most = await memorySource(4, [0, 1, 2]);
    await expect(batches({ source: most }, [0])).rejects.toThrow(/3 of the 4 .*text \("broken"\)/);
    const all = await memorySource(40, [...Array(40).keys()]);
    await expect(batches({ source: all }, [0])).rejects.toThrow(InputError);
  });

  it("passes on a fault of the machine, in the step that met it, without an unhandled rejection", async () => {
    const good = await memorySource(8);
    const doomed = batchIndices(5, 1, 4, 8)[0].index;
    const read = async (i: number) => (i === doomed ? Promise.reject(new Error("out of descriptors")) : good.read(i));
    const loader = createLoader({ source: { ...good, read }, seed: 5, batch: 4, size: SIZE });
    await loader.load(0); // step 1 fails in the background
    await new Promise((resolve) => setTimeout(resolve, 50));
    await expect(loader.load(1)).rejects.toThrow("out of descriptors");
    await loader.dispose();
  });

  it("reuses released memory and refuses to load after dispose", async () => {
    const loader = createLoader({ source: await memorySource(8), seed: 5, batch: 4, size: SIZE, prefetch: 1 });
    const buffers = new Set<ArrayBufferLike>();
    for (let step = 0; step < 12; step++) {
      const batch = await loader.load(step);
      buffers.add(batch.images.buffer);
      batch.release();
      batch.release(); // a second release must not hand the memory out twice
    }
    expect(buffers.size).toBeLessThanOrEqual(2);
    await loader.dispose();
    await expect(loader.load(0)).rejects.toThrow("disposed");
  });
});
