/** @file A model of any known format as one ONNX file that needs nothing of this program. */

import { extname, join } from "node:path";
import { type ReadOptions, readWeights } from "../../checkpoint/read-weights.js";
import { InputError } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import type { TensorData } from "../../core/tensor-data.js";
import { plural } from "../../core/text.js";
import { paddedSize } from "../../data/test-input.js";
import { type Write, writeFileAtomic } from "../../io/atomic-file.js";
import { removeMadeFolders } from "../../io/folder.js";
import type { Task } from "../../masks/segmentation.js";
import { type Dim, MAX_BYTES, modelPieces, type OnnxModel } from "../../onnx/protobuf.js";
import { announceWeights, knownModel } from "../../weights/known-model.js";
import { claimFiles, placeOf } from "../weights-output.js";
import { beginCheck, type Check, percent } from "./check.js";
import { type ExportedModel, exportedModel } from "./exported-model.js";
import { fileDescription, fileTexts } from "./file-texts.js";
import { modelFile } from "./model-file.js";
import { formsIn, type Inside, NORMALISE, OPSETS, requireOpset, requireSize } from "./options.js";
import { trialImages } from "./trial-images.js";
import type { Comparison } from "./try-file.js";

/** Of `exportOnnx`. */
export interface OnnxOptions extends ReadOptions {
  /** A run, a checkpoint, a file of any known format, a folder as Hugging Face saves it, or `hf:owner/name`. */
  readonly checkpoint: string;
  /** Folder of the files. */
  readonly out: string;
  /** The only size of images, multiples of 32; by default any, or for a Swin Transformer that of its images. */
  readonly size?: Size;
  /** Version of the operator set, from 17, the default, to 21. */
  readonly opset?: number;
  /** Store weights as float16. */
  readonly half?: boolean;
  /** What the file does beside the network. */
  readonly inside?: ReadonlySet<Inside>;
  /** What a model is asked for that is told its task; by default the form inside, or what it was trained for. */
  readonly task?: Task;
  /** Files, folders and patterns of images to try the file on; by default generated scenes. */
  readonly images?: readonly string[];
  readonly overwrite?: boolean;
}

/** What `exportOnnx` wrote, and how it was tried. */
export interface ExportedOnnx {
  /** The model first. */
  readonly files: readonly string[];
  readonly bytes: number;
  readonly inputs: OnnxModel<Dim>["inputs"];
  readonly outputs: OnnxModel<Dim>["outputs"];
  /** The task that the model is told. */
  readonly asked?: Task;
  /** Of what the file gives with what `predict` gives. */
  readonly comparison: Comparison;
  /** How many images were tried. */
  readonly tried: number;
}

/** Names of the model in its folder, as transformers.js looks for it; the second with weights in float16. */
const [MODEL, HALF_MODEL] = ["model.onnx", "model_fp16.onnx"];
const CONFIGURATIONS = ["config.json", "preprocessor_config.json"];

/**
 * Writes a model, or the encoder of a pretraining run, as an ONNX file of standard operators with configurations beside
 * it, once the file has given what this program gives for images of other sizes than it was built from.
 * @throws InputError for weights that are no model, options that do not go with it, and a file that cannot be written,
 * is too large, or gives something else
 */
export async function exportOnnx(options: OnnxOptions): Promise<ExportedOnnx> {
  const { checkpoint, out, part, step, overwrite, inside = new Set(), half = false, reporter = SILENT } = options;
  requireFolder(out);
  const opset = requireOpset(options.opset ?? OPSETS.oldest);
  if (options.size) requireSize(options.size);
  const stored = await readWeights(checkpoint, { part, step, reporter });
  const known = await knownModel(stored);
  announceWeights(stored, known, { reporter, brief: false });
  const forms = new Set(formsIn(inside));
  const model = exportedModel(stored, known, { task: options.task, forms });
  requireRoom(model.weights, half, checkpoint);
  const { network, rules } = model;
  const size = options.size ?? (network.anySize ? undefined : usualSize(model, reporter));
  const normalise = inside.has(NORMALISE);

  const file = join(out, "onnx", half ? HALF_MODEL : MODEL);
  const files = [file, ...CONFIGURATIONS.map((name) => join(out, name))];
  const made = await claimFiles(files, { overwrite, inputs: [placeOf(stored)] });
  try {
    const facts = { ...model, size, normalise, half, source: checkpoint };
    const description = fileDescription(facts);
    const trials = await trialImages(options.images, size);
    const check = await beginCheck(model, { place: file, trials, half, normalise });
    try {
      const onnx = modelFile(network, { opset, size, half, normalise, forms, rules, description });
      const { bytes, comparison } = await writeTried(file, onnx, check);
      for (const [name, text] of fileTexts(facts, onnx)) await writeFileAtomic(join(out, name), text);
      const { inputs, outputs } = onnx;
      return { files, bytes, inputs, outputs, asked: model.asked, comparison, tried: trials.flat().length };
    } finally {
      await check.end();
    }
  } catch (error) {
    await removeMadeFolders(join(out, "onnx"), made);
    throw error;
  }
}

/** Writes a model that passes the check. */
async function writeTried(file: string, onnx: OnnxModel<Dim>, check: Check) {
  const pieces = modelPieces(onnx);
  let comparison: Comparison = { difference: Number.NaN, offShare: 1 };
  const writeAll = async (write: Write) => {
    for (const piece of pieces) await write(piece);
  };
  await writeFileAtomic(file, writeAll, async (temporary) => {
    comparison = await check.of(temporary);
  });
  return { bytes: pieces.reduce((sum, { length }) => sum + length, 0), comparison };
}

function requireFolder(out: string): void {
  const suffix = extname(out).toLowerCase();
  if (suffix !== ".onnx") return;
  const folder = out.slice(0, -suffix.length);
  throw new InputError({
    where: `--out ${out}`,
    expected: "a folder, for the model and its configurations",
    found: `a name that ends in ${suffix}`,
    fix: `With --out ${folder} the model is ${join(folder, "onnx", MODEL)}.`,
  });
}

/** Room for all but the weights. */
const NODES = 2 ** 25;

/** Throws InputError for weights that one file does not hold. */
export function requireRoom(weights: ReadonlyMap<string, TensorData>, half: boolean, checkpoint: string): void {
  const bytes = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0) / (half ? 2 : 1);
  if (bytes <= MAX_BYTES - NODES) return;
  throw new InputError({
    where: checkpoint,
    expected: "weights of less than 2 GiB: an ONNX file is one message of protobuf, which holds no more",
    found: `${(bytes / 2 ** 30).toFixed(2)} GiB`,
    ...(!half && { fix: "--half stores them in half the space." }),
  });
}

/** A square of the model's shorter side: what a file that takes one size takes if nobody asks for another. */
function usualSize({ description }: ExportedModel, reporter: Reporter): Size {
  const side = description?.inference.shortEdge ?? USUAL_SIDE;
  const { paddedHeight: height, paddedWidth: width } = paddedSize({ width: side, height: side });
  reporter.say(`A Swin Transformer takes images of one size: here ${height}x${width} (--size HxW for another).`);
  return { width, height };
}

const USUAL_SIDE = 512;

/** What was written, and how it was tried, one fact a line. */
export function describeOnnx({ files, bytes, inputs, outputs, asked, comparison, tried }: ExportedOnnx): string {
  const value = ({ name, dtype, shape }: OnnxModel<Dim>["inputs"][number]) => `${name}: ${dtype} [${shape.join(", ")}]`;
  const { difference, equalPixels } = comparison;
  const pixels = equalPixels === undefined ? "" : `, ${percent(equalPixels)} of the pixels get the same label`;
  return [
    `${files[0]}: ${(bytes / 1e6).toFixed(1)} MB, standard operators alone`,
    ...(asked === undefined ? [] : [`  asks for ${asked} segmentation`]),
    ...inputs.map((input) => `  in   ${value(input)}`),
    ...outputs.map((output) => `  out  ${value(output)}`),
    `  tried on ${plural(tried, "image")} by ONNX Runtime: largest difference to predict ` +
      `${difference.toExponential(1)} of the largest value${pixels}`,
    `Beside it: ${files.slice(1).join(", ")}`,
  ].join("\n");
}
