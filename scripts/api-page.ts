/**
 * @file docs/api.md, made of the docstrings and declarations of all that the package exports. As a program (`npm run
 * docs`) it writes the page; a test compares it. The compiler's programming interface is called "unstable": the lock
 * file pins the version.
 */

import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  API,
  type Checker,
  type Project,
  SymbolFlags,
  type Symbol as TypeScriptSymbol,
} from "typescript/unstable/sync";

/** An export as the page shows it. */
interface Entry {
  readonly name: string;
  /** The folder of the sources that it comes from. */
  readonly room: string;
  readonly documentation: string;
  /** Its declaration, without bodies and private members. */
  readonly declaration: string;
}

export interface ApiPage {
  readonly text: string;
  /** Exports that have no docstring. */
  readonly undocumented: readonly string[];
}

const ROOM_TITLES: Record<string, string> = {
  core: "Errors, tensors, random numbers, progress",
  graph: "Graphs, their gradients, and what can be done with them",
  onnx: "ONNX",
  runtime: "Running graphs on a device",
  nn: "Layers",
  models: "Models",
  families: "Families of models",
  io: "Images",
  data: "Data",
  masks: "Masks and segmentations",
  pretrain: "Pretraining",
  finetune: "Fine-tuning",
  predict: "Prediction",
  evaluate: "Evaluation of models",
  eval: "Metrics",
  checkpoint: "Weights and checkpoints",
  weights: "Weights of others",
  export: "Weights for others, and ONNX files",
  probe: "What frozen features know",
  "sample-data": "Generated scenes",
  visualize: "Pictures of what a run learned",
};

/** Lines of a declaration that are shown. */
const MOST_LINES = 60;
const PRIVATE_MEMBER = /^\s*(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?private [^;]*;\n/gm;
const DOCSTRINGS = /^(\s*\/\*\*[\s\S]*?\*\/\s*)+/;

function declarationOf(symbol: TypeScriptSymbol, project: Project): string {
  const parts = symbol.declarations.flatMap((handle) => {
    const node = handle.resolve(project);
    const source = node && project.program.getSourceFile(handle.path);
    if (!node || !source) return [];
    const text = source.text.slice(node.pos, node.end).replace(DOCSTRINGS, "").trim();
    const isVariable = (symbol.flags & SymbolFlags.Variable) !== 0;
    return isVariable ? `const ${text};` : text.replace(/^export (declare )?/, "");
  });
  const lines = parts.join("\n").replace(PRIVATE_MEMBER, "").split("\n");
  return lines.length <= MOST_LINES ? lines.join("\n") : `${lines.slice(0, MOST_LINES).join("\n")}\n// ...`;
}

const TAG_TITLES: Record<string, string> = { throws: "Throws", returns: "Returns", param: "Parameter" };

function documentationOf(symbol: TypeScriptSymbol, checker: Checker): string {
  const tags = symbol.getJsDocTags(checker).map(({ name, text }) => `${TAG_TITLES[name] ?? name}: ${text ?? ""}`);
  return [symbol.getDocumentationComment(checker), ...tags].filter((text) => text.trim() !== "").join("\n\n");
}

/** The exports of a module, those of a namespace (`ops`, `layers`) each by itself. */
function entriesOf(module: TypeScriptSymbol, prefix: string, project: Project): Entry[] {
  const { checker } = project;
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const symbol = exported.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    if (symbol.flags & SymbolFlags.Module) return entriesOf(symbol, `${prefix}${exported.name}.`, project);
    const [{ path }] = symbol.declarations;
    return {
      name: prefix + exported.name,
      room: basename(path.slice(0, path.indexOf("/", path.lastIndexOf("/dist/") + "/dist/".length))),
      documentation: documentationOf(symbol, checker),
      declaration: declarationOf(symbol, project),
    };
  });
}

const anchor = (name: string) => name.toLowerCase().replace(/[^\w]/g, "");

function render(entries: readonly Entry[]): string {
  const rooms = [...Object.keys(ROOM_TITLES), ...new Set(entries.map(({ room }) => room))];
  const filled = [...new Set(rooms)].filter((room) => entries.some((entry) => entry.room === room));
  const of = (room: string) => entries.filter((entry) => entry.room === room);
  const titleOf = (room: string) => {
    const title = ROOM_TITLES[room];
    if (title === undefined) throw new RangeError(`docs/api.md: the exports of ${room} have no title`);
    return title;
  };
  const contents = filled.map((room) => {
    const links = of(room).map(({ name }) => `[${name}](#${anchor(name)})`);
    return `- **${titleOf(room)}**: ${links.join(", ")}`;
  });
  const sections = filled.flatMap((room) => [
    `## ${titleOf(room)}`,
    ...of(room).map(({ name, documentation, declaration }) =>
      [`### ${name}`, documentation, `\`\`\`ts\n${declaration}\n\`\`\``].filter(Boolean).join("\n"),
    ),
  ]);
  const head =
    "# What the package exports\nMade of the docstrings by `npm run docs`. Examples: " +
    "[README](../README.md#use-it-from-code).";
  return `${[head, contents.join("\n"), ...sections].join("\n\n")}\n`;
}

/** The page for the compiled package in `root`/dist. */
export function apiPage(root: string): ApiPage {
  const index = join(root, "dist", "index.d.ts");
  const api = new API({ cwd: root });
  try {
    const project = api.updateSnapshot({ openFiles: [index] }).getDefaultProjectForFile(index);
    const source = project?.program.getSourceFile(index);
    const module = source && project?.checker.getSymbolAtLocation(source);
    if (!project || !module) throw new Error(`${index} is missing: run \`npm run build\``);
    const entries = entriesOf(module, "", project);
    const undocumented = entries.filter(({ documentation }) => documentation === "").map(({ name }) => name);
    return { text: render(entries), undocumented };
  } finally {
    api.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const { text, undocumented } = apiPage(root);
  writeFileSync(join(root, "docs", "api.md"), text);
  for (const name of undocumented) console.log(`without a docstring: ${name}`);
  process.exitCode = undocumented.length > 0 ? 1 : 0;
}
