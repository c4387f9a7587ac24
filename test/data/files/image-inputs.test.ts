import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { imageInputs } from "../../../src/data/files/image-inputs.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

/** Files without content; nothing here reads them. */
function folderOf(...files: string[]): string {
  const folder = temporaryDirectory();
  for (const file of files) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), "");
  }
  return folder;
}

async function namesAt(folder: string, ...places: string[]): Promise<string[]> {
  const inputs = await imageInputs(places.map((place) => join(folder, place)));
  return Array.from({ length: inputs.length }, (_, i) => inputs.name(i).slice(folder.length + 1));
}

test("takes files, folders and patterns in their order, each image once", async () => {
  const folder = folderOf("a/2.jpg", "a/10.jpg", "a/sub/3.png", "a/notes.txt", "b/x.JPG", "b/y.gif", "c/strange");
  expect(await namesAt(folder, "b/y.gif")).toEqual(["b/y.gif"]);
  expect(await namesAt(folder, "a")).toEqual(["a/2.jpg", "a/10.jpg", "a/sub/3.png"]);
  expect(await namesAt(folder, "a/*.jpg")).toEqual(["a/2.jpg", "a/10.jpg"]);
  expect(await namesAt(folder, "a/**/*.{jpg,png}")).toEqual(["a/2.jpg", "a/10.jpg", "a/sub/3.png"]);
  expect(await namesAt(folder, "b/[xy].*")).toEqual(["b/x.JPG", "b/y.gif"]);
  expect(await namesAt(folder, "a/*")).toEqual(["a/2.jpg", "a/10.jpg", "a/sub/3.png"]); // as the shell: sub is a folder
  expect(await namesAt(folder, "b", "a/sub/3.png", "a", "b/x.JPG", "*/x.JPG")).toEqual([
    ...["b/x.JPG", "b/y.gif", "a/sub/3.png", "a/2.jpg", "a/10.jpg"],
  ]);
  // A name that somebody gave is read, whatever its suffix.
  expect(await namesAt(folder, "c/strange")).toEqual(["c/strange"]);
});

test("a file whose name looks like a pattern is that file", async () => {
  const folder = folderOf("x[1].jpg", "x1.jpg");
  expect(await namesAt(folder, "x[1].jpg")).toEqual(["x[1].jpg"]);
  expect(await namesAt(folder, "x[0-9].jpg")).toEqual(["x1.jpg"]);
});

test("short names are paths below what was given, and the folders searched are known", async () => {
  const folder = folderOf("a/2.jpg", "a/sub/3.png", "b/sub/4.png");
  const places = ["a/2.jpg", "a", "b/**/*.png"].map((place) => join(folder, place));
  const inputs = await imageInputs(places);
  expect([0, 1, 2].map(inputs.shortName)).toEqual(["2.jpg", join("sub", "3.png"), join("sub", "4.png")]);
  expect(inputs.folders.map((path) => basename(path))).toEqual(["a", "b"]);
});

test("formats that nobody reads and links that lead nowhere are named, hidden files are not", async () => {
  const folder = folderOf("a/1.jpg", "a/2.heic", "a/.hidden.jpg");
  symlinkSync("nowhere.jpg", join(folder, "a/3.jpg"));
  for (const place of ["a", "a/*"]) {
    const { length, faults } = await imageInputs([join(folder, place)]);
    expect(length).toBe(1);
    expect(faults.map(({ file }) => basename(file)).includes("2.heic")).toBe(true);
  }
});

test.each([
  [
    "a file that is missing",
    ["photo2.jpg"],
    /photo2\.jpg: .*found nothing of that name\. Did you mean "photo\.jpg"\?$/,
  ],
  ["a path below a file", ["photo.jpg/x.jpg"], /found nothing of that name/],
  [
    "a pattern that fits nothing",
    ["*.webp"],
    /\*\.webp: expected a pattern that fits images or folders, found one that fits nothing/,
  ],
  ["a pattern that fits other files", ["*.txt"], /found one that fits \S+a\.txt, \S+b\.txt, which are no images/],
  ["a folder without images", ["empty"], /at least one image \(jpg.*found none/],
  ["one of several", ["photo.jpg", "none.jpg"], /none\.jpg: .*nothing of that name/],
])("%s is one clear line", async (_, places, message) => {
  const folder = folderOf("photo.jpg", "a.txt", "b.txt");
  mkdirSync(join(folder, "empty"));
  const failing = imageInputs(places.map((place) => join(folder, place)));
  await expect(failing).rejects.toThrow(message);
  await expect(failing).rejects.toMatchObject({ name: "InputError" });
});

test("thousands of files are taken as they are", async () => {
  const names = Array.from({ length: 1500 }, (_, i) => `${i}.jpg`);
  const folder = folderOf(...names);
  const places = names.map((name) => join(folder, name));
  const { length } = await imageInputs([...places, folder]);
  expect(length).toBe(1500);
  await expect(imageInputs([...places, join(folder, "x.jpg")])).rejects.toThrow(/^\S+x\.jpg: /);
});
