import { readFileSync, writeFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { encode } from "fast-png";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { readColourMap, readLabelMap, readTwoChannels } from "../../src/data/datasets/label-map.js";
import { dataFolder } from "../support/data-folders.js";
import { pngChunk, pngOf } from "../support/png-chunks.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const ids = async (file: string) => Array.from((await readLabelMap(file)).ids);

describe("readLabelMap", () => {
  it("keeps palette indices, whatever their colours", async () => {
    const folder = dataFolder(temporaryDirectory());
    const palette = [
      [9, 9, 9],
      [200, 0, 0],
      [9, 9, 9],
    ];
    const bytes = encode({ width: 3, height: 1, data: Uint8Array.of(0, 2, 1), channels: 1, depth: 8, palette });
    writeFileSync(folder.at("a.png"), bytes);
    expect(await ids(folder.at("a.png"))).toEqual([0, 2, 1]);
  });

  it("keeps 16 bits", async () => {
    const folder = dataFolder(temporaryDirectory());
    folder.labels("a.png", [[0, 300, 65535]]);
    expect(await ids(folder.at("a.png"))).toEqual([0, 300, 65535]);
  });

  it.each([1, 2, 4] as const)("unpacks %i bits a pixel, row by row", async (depth) => {
    const file = dataFolder(temporaryDirectory()).at("a.png");
    const width = 11; // no whole number of bytes
    const values = Array.from({ length: 2 * width }, (_, i) => i % 2 ** depth);
    const rowBytes = Math.ceil((width * depth) / 8);
    const data = new Uint8Array(2 * rowBytes);
    values.forEach((value, i) => {
      const bit = (i % width) * depth;
      data[Math.floor(i / width) * rowBytes + (bit >> 3)] |= value << (8 - depth - (bit & 7));
    });
    writeFileSync(file, encode({ width, height: 2, data, channels: 1, depth }));
    expect(await ids(file)).toEqual(values);
  });

  it("reads grey that was saved in colours, with or without alpha", async () => {
    const folder = dataFolder(temporaryDirectory());
    for (const [name, channels, pixel] of [
      ["rgb.png", 3, [7, 7, 7]],
      ["rgba.png", 4, [7, 7, 7, 255]],
      ["grey-alpha.png", 2, [7, 255]],
    ] as const) {
      writeFileSync(folder.at(name), encode({ width: 1, height: 1, data: Uint8Array.from(pixel), channels, depth: 8 }));
      expect(await ids(folder.at(name))).toEqual([7]);
    }
  });

  it("refuses a map that EXIF turns: its image is turned, and nobody can say whether it was meant", async () => {
    const file = dataFolder(temporaryDirectory()).at("a.png");
    const map = sharp(Uint8Array.of(1, 2, 3, 4), { raw: { width: 2, height: 2, channels: 1 } }).toColourspace("b-w");
    writeFileSync(file, await map.clone().withMetadata({ orientation: 3 }).png().toBuffer());
    await expect(readLabelMap(file)).rejects.toThrow(/a PNG that is turned or mirrored by EXIF \(orientation 3\)/);
    writeFileSync(file, await map.clone().withMetadata({ orientation: 1 }).png().toBuffer());
    expect(await ids(file)).toEqual([1, 2, 3, 4]);
  });

  it("refuses a JPEG under any name, since its ids are not what was written", async () => {
    const file = dataFolder(temporaryDirectory()).at("a.png");
    await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
      .jpeg()
      .toFile(`${file}.jpg`);
    writeFileSync(file, readFileSync(`${file}.jpg`));
    await expect(readLabelMap(file)).rejects.toThrow(/a\.png: expected a label map in PNG, found a JPEG/);
  });

  it("refuses colours, emptiness, other files and absence, and names the file", async () => {
    const folder = dataFolder(temporaryDirectory());
    folder.colours("colours.png", [[0x010203]]);
    folder.text("empty.png", "");
    folder.text("text.png", "<html>");
    await expect(readLabelMap(folder.at("colours.png"))).rejects.toThrow(/colours\.png: .*found a picture in colours/);
    await expect(readLabelMap(folder.at("empty.png"))).rejects.toThrow(/empty\.png: .*found an empty file/);
    await expect(readLabelMap(folder.at("text.png"))).rejects.toThrow(/text\.png: .*found another format/);
    await expect(readLabelMap(folder.at("none.png"))).rejects.toThrow(/none\.png: .*found nothing of that name/);
  });

  it("refuses a file cut off anywhere and a flipped bit in its pixels", async () => {
    const folder = dataFolder(temporaryDirectory());
    folder.labels(
      "a.png",
      Array.from({ length: 40 }, (_, y) => Array.from({ length: 40 }, (_, x) => (x * y * 7) % 251)),
    );
    const whole = readFileSync(folder.at("a.png"));
    for (let length = 0; length < whole.length - 12; length += 97) {
      writeFileSync(folder.at("cut.png"), whole.subarray(0, length));
      await expect(readLabelMap(folder.at("cut.png")), `${length} bytes`).rejects.toThrow(/cut\.png/);
    }
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1] ^= 16;
    writeFileSync(folder.at("cut.png"), flipped);
    await expect(readLabelMap(folder.at("cut.png"))).rejects.toThrow(/a damaged PNG/);
  });
});

describe("a label map costs what its header says", () => {
  const written = (bytes: Buffer) => {
    const file = dataFolder(temporaryDirectory()).at("a.png");
    writeFileSync(file, bytes);
    return file;
  };
  const rows = Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from([0, 3, 4])]); // 2x2, each row behind its filter
  /** Compresses to a thousandth. */
  const bomb = (bytes = 50e6) => deflateSync(Buffer.alloc(bytes));

  it("more pixels than the limit are refused by the header, in every kind of map", async () => {
    const file = written(pngOf({ width: 20_000, height: 20_000, rows }));
    const message = /a\.png: .* found 20000 x 20000 pixels, more than the limit of 100 megapixels/;
    for (const read of [readLabelMap, readColourMap, readTwoChannels])
      await expect(read(file)).rejects.toThrow(message);
    await expect(readLabelMap(written(pngOf({ width: 0, height: 2, rows })))).rejects.toThrow(/0 x 2 pixels/);
  });

  it("pixels that inflate to more or less than the header says are refused", async () => {
    const more = pngOf({ width: 16, height: 16, rows: Buffer.alloc(50e6) });
    expect(more.length).toBeLessThan(100_000);
    await expect(readLabelMap(written(more))).rejects.toThrow(/damaged PNG \(more pixels than its header says\)/);
    await expect(readLabelMap(written(pngOf({ width: 3, height: 2, rows })))).rejects.toThrow(/fewer pixels/);
  });

  it.each(["iCCP", "zTXt", "iTXt"])("a chunk %s is not inflated at all", async (type) => {
    const head = type === "iTXt" ? "a\0\x01\0\0\0" : "a\0\0";
    const extra = [pngChunk(type, Buffer.concat([Buffer.from(head), bomb()]))];
    expect(await ids(written(pngOf({ width: 2, height: 2, rows, extra })))).toEqual([1, 2, 3, 4]);
  });

  it("a file of countless empty pieces is refused", async () => {
    const extra = [Buffer.concat(Array<Buffer>(2 ** 18).fill(pngChunk("noth", Buffer.alloc(0))))];
    await expect(readLabelMap(written(pngOf({ width: 2, height: 2, rows, extra })))).rejects.toThrow(
      /damaged PNG \(more than 262144 chunks\)/,
    );
  });

  it("another size than wanted is refused before the pixels are looked at", async () => {
    const broken = pngOf({ width: 3, height: 2, rows: Buffer.alloc(0) });
    const wanted = { width: 2, height: 3, of: "the image" };
    await expect(readLabelMap(written(broken), wanted)).rejects.toThrow(
      /a\.png: expected labels of the size of the image, 2x3, found 3x2\. .*EXIF/,
    );
  });

  it.each([8, 16])("interlaced maps of %i bits keep their values, at any size", async (depth) => {
    for (const [width, height] of [
      [1, 1],
      [3, 2],
      [5, 9],
      [8, 8],
      [13, 7],
    ]) {
      const values = Array.from({ length: width * height }, (_, i) => (i * (depth === 16 ? 997 : 37)) % 2 ** depth);
      const data = depth === 16 ? Uint16Array.from(values) : Uint8Array.from(values);
      const plain = sharp(data, { raw: { width, height, channels: 1 } }).toColourspace(depth === 16 ? "grey16" : "b-w");
      expect(await ids(written(await plain.png({ progressive: true, palette: false }).toBuffer()))).toEqual(values);
    }
  });
});

describe("readColourMap", () => {
  it("reads R + 256 G + 65536 B", async () => {
    const folder = dataFolder(temporaryDirectory());
    folder.colours("a.png", [[0, 1, 256, 65536, 0xabcdef]]);
    expect(Array.from((await readColourMap(folder.at("a.png"))).ids)).toEqual([0, 1, 256, 65536, 0xabcdef]);
  });
});
