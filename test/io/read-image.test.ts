import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readImage } from "../../src/index.js";
import { writeImages } from "../support/image-folder.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

test("the pixels of a file", async () => {
  const folder = temporaryDirectory();
  await writeImages(folder, 1);
  const image = await readImage(join(folder, "000.png"));
  expect([image.width, image.height, image.data.length]).toEqual([80, 72, 80 * 72 * 3]);
  const part = await readImage(join(folder, "000.png"), { region: { left: 3, top: 2, width: 1, height: 1 } });
  expect([...part.data]).toEqual([...image.data.subarray(3 * (2 * 80 + 3), 3 * (2 * 80 + 4))]);
});

test("a file that is missing, a folder, and one that is no image are named", async () => {
  const folder = temporaryDirectory();
  const text = join(folder, "text.jpg");
  writeFileSync(text, "no image");
  await expect(readImage(join(folder, "a.jpg"))).rejects.toThrow(
    `${join(folder, "a.jpg")}: expected an image that can`,
  );
  await expect(readImage(folder)).rejects.toThrow(`${folder}: expected an image that can be read, found a folder`);
  await expect(readImage(text)).rejects.toThrow(`${text}: expected a readable image`);
});
