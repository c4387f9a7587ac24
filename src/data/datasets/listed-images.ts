/** @file Which file each entry of a JSON file's `images` means. */

import { join, posix } from "node:path";
import { show } from "../../core/show.js";
import { someOf } from "../../core/text.js";
import type { CocoFile, CocoImage } from "./coco-json.js";
import { DataFault } from "./data-fault.js";
import type { ImageFolder } from "./image-pairs.js";

export interface ListedImages {
  /** By the path below the folder of images: the entry, or several of one size that mean the same file. */
  readonly found: Map<string, readonly CocoImage[]>;
  readonly faults: DataFault[];
  readonly notes: readonly string[];
}

/** macOS writes accents apart. */
const spelling = (path: string) => path.normalize("NFC");
const anyCase = (path: string) => spelling(path).toLowerCase();

/** Paths by another way of writing them; several may be written alike. */
function indexed(paths: Iterable<string>, by: (path: string) => string): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (const path of paths) {
    const list = index.get(by(path));
    if (list) list.push(path);
    else index.set(by(path), [path]);
  }
  return index;
}

/** Finds the files that names mean. */
class Resolver {
  private readonly bySpelling: ReadonlyMap<string, readonly string[]>;
  private readonly byAnyCase: ReadonlyMap<string, readonly string[]>;
  /** Names of entries by their last part. */
  private readonly byBase: ReadonlyMap<string, readonly string[]>;

  constructor(
    private readonly document: CocoFile,
    private readonly folder: ImageFolder,
  ) {
    this.bySpelling = indexed(folder.all, spelling);
    this.byAnyCase = indexed(folder.all, anyCase);
    const names = new Set(document.images.map(({ file_name }) => posix.normalize(file_name)));
    this.byBase = indexed(names, (name) => spelling(posix.basename(name)));
  }

  /** The files below the folder that a path can mean. */
  private files(path: string): readonly string[] {
    return this.folder.all.has(path) ? [path] : (this.bySpelling.get(spelling(path)) ?? []);
  }

  /** The entry's file: at its path, or by its last part alone where no other entry has the same; else what is wrong. */
  resolve(image: CocoImage): string | DataFault {
    const path = posix.normalize(image.file_name);
    const files = this.files(path);
    if (files.length === 1) return files[0];
    const base = posix.basename(path);
    const inFolder = files.length > 1 ? files : this.files(base);
    const others = (this.byBase.get(spelling(base)) ?? []).filter((name) => name !== path);
    if (inFolder.length === 0) return this.missing(image, path);
    if (inFolder.length === 1 && others.length === 0) return inFolder[0];
    const rivals = inFolder.length > 1 ? inFolder : [path, ...others];
    return this.fault("ambiguous name", image, {
      found: `${show(base)}, which could be ${someOf(rivals)}`,
      fix: "Lay the images out in the folders that the file names, or give each a name of its own.",
    });
  }

  private missing(image: CocoImage, path: string): DataFault {
    const slashed = posix.normalize(image.file_name.replaceAll("\\", "/"));
    const alike = this.byAnyCase.get(anyCase(path)) ?? this.byAnyCase.get(anyCase(posix.basename(path))) ?? [];
    let fix: string | undefined;
    if (image.file_name.includes("\\")) {
      const isThere = this.files(slashed).length > 0 || this.files(posix.basename(slashed)).length > 0;
      fix = `Write "/" in place of "\\" in the file${isThere ? `: ${slashed} would be found` : ""}.`;
    } else if (alike.length > 0) fix = `Did you mean ${show(alike[0])}? Upper and lower case must agree.`;
    return this.fault("missing image", image, { found: "no such file", fix });
  }

  private fault(
    kind: "missing image" | "ambiguous name",
    { id, file_name }: CocoImage,
    rest: { found: string; fix?: string },
  ) {
    const where = join(this.folder.folder, file_name);
    return new DataFault(kind, { where, expected: `the image ${id} of ${this.document.file}`, ...rest });
  }
}

/** Entries of one file can be used together when they agree on its size. */
function disagreement(path: string, entries: readonly CocoImage[], { folder }: ImageFolder, file: string) {
  const [{ width, height }] = entries;
  if (entries.every((entry) => entry.width === width && entry.height === height)) return undefined;
  const sizes = entries.map((entry) => `${entry.width}x${entry.height} (image ${show(entry.id)})`);
  const expected = `one size in ${file}`;
  return new DataFault("sizes differ", { where: join(folder, path), expected, found: someOf(sizes) });
}

/** The images of a JSON file, by their paths below the folder; those that a pattern took out of it are left out. */
export function listedImages(document: CocoFile, folder: ImageFolder): ListedImages {
  const resolver = new Resolver(document, folder);
  const wanted = new Set(folder.paths);
  const entries = new Map<string, CocoImage[]>();
  const faults: DataFault[] = [];
  for (const image of document.images) {
    const path = resolver.resolve(image);
    if (path instanceof DataFault) faults.push(path);
    else if (wanted.has(path)) {
      const list = entries.get(path);
      if (list) list.push(image);
      else entries.set(path, [image]);
    }
  }
  const joined: string[] = [];
  for (const [path, list] of entries) {
    if (list.length === 1) continue;
    const fault = disagreement(path, list, folder, document.file);
    if (fault) {
      faults.push(fault);
      entries.delete(path);
    } else joined.push(`${path} (${list.map(({ id }) => show(id)).join(" and ")})`);
  }
  const notes = joined.length > 0 ? [`${document.file}: entries of one file are taken as one: ${someOf(joined)}`] : [];
  return { found: entries, faults, notes };
}
