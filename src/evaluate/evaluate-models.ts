/** @file One or two models over the same images: scores, JSON and page. */

import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { LabelledSource } from "../data/labelled-source.js";
import type { Task } from "../masks/segmentation.js";
import { type Report, renderReport } from "../viz/report.js";
import type { ModelDescription } from "../weights/model-description.js";
import { type EvaluationOptions, evaluate } from "./evaluate.js";
import type { Evaluation, Predict } from "./evaluation.js";
import { gives, judgedSource } from "./judged-source.js";
import { prepareOutput, writeEvaluation } from "./output.js";
import { type EvaluatedData, type EvaluatedRun, evaluationReport } from "./page.js";
import { galleriesOf } from "./pictures.js";
import { requireSameClasses } from "./same-classes.js";
import { letterOf } from "./summary.js";

/** A model as evaluation sees it. */
export interface EvaluatedModel {
  /** What it is called: the folder of its run or checkpoint. */
  readonly checkpoint: string;
  /** Of its run's checkpoint, where there is one. */
  readonly step?: number;
  readonly description: Pick<ModelDescription, "task" | "classes" | "inference">;
  readonly predict: Predict;
  readonly underWay?: EvaluationOptions["underWay"];
  /** What its run logged, step by step; the page draws the curves. */
  readonly log?: EvaluatedRun["log"];
  /** The order in which it takes images best, e.g. by their input sizes; as given if absent. */
  readonly order?: (indices: readonly number[]) => Promise<readonly number[]>;
}

export interface ModelsOptions {
  readonly source: LabelledSource;
  readonly data: EvaluatedData;
  /** One, or two to compare. */
  readonly models: readonly EvaluatedModel[];
  /** What to judge of panoptic models; the panoptic task decides where it is among these, else the first. */
  readonly tasks?: readonly Task[];
  /** The images to take. */
  readonly indices: readonly number[];
  /** Folder for the files. */
  readonly out: string;
  /** Further names and values for the head of the page. */
  readonly facts?: Report["facts"];
  readonly signal?: AbortSignal;
  readonly reporter?: Reporter;
}

export interface EvaluatedModels {
  /** One a model, in their order. */
  readonly evaluations: readonly Evaluation[];
  /** The content of the page. */
  readonly report: Report;
  /** Paths of what was written. */
  readonly files: { readonly json: string; readonly page: string };
}

/**
 * Evaluates each model and writes `evaluation.json` and `evaluation.html`.
 * @throws InputError when a model's task or classes are not the source's, when `out` holds something else, or when more
 * than half of the images cannot be used
 */
export async function evaluateModels(options: ModelsOptions): Promise<EvaluatedModels> {
  const { data, models, tasks, indices, out, facts = [], signal, reporter = SILENT } = options;
  const source = judgedSource(options.source, tasks);
  for (const model of models) requireFit(model, source, data.path, tasks);
  await prepareOutput(out);
  const runs = [];
  for (const [i, { checkpoint, step, description, predict, underWay, order, log }] of models.entries()) {
    const name = models.length > 1 ? `model ${letterOf(i)}` : "model";
    const ordered = order ? await order(indices) : indices;
    const task = reporter.begin(`Evaluating ${name}`, indices.length);
    const evaluation = await evaluate({
      source,
      predict,
      tasks,
      rules: description.inference,
      underWay,
      indices: ordered,
      progress: (done) => task.update(done),
      signal,
    }).finally(() => task.end());
    runs.push({ checkpoint, step, inference: description.inference, predict, evaluation, log });
  }
  const galleries = await galleriesOf(source, runs);
  const report = evaluationReport({ data, runs, galleries, facts });
  const files = await writeEvaluation(out, { data, runs, page: await renderReport(report) });
  return { evaluations: runs.map(({ evaluation }) => evaluation), report, files };
}

/** Models of one task, or models that give what was asked for. Throws `InputError`. */
function requireFit(
  { checkpoint, description }: EvaluatedModel,
  source: LabelledSource,
  where: string,
  tasks: readonly Task[] = [],
): void {
  const lacking = tasks.find((task) => !gives(description.task, task));
  if (lacking) {
    const expected = `a model that gives ${lacking} output`;
    throw new InputError({ where: checkpoint, expected, found: `one of the task ${description.task}` });
  }
  if (tasks.length === 0 && description.task !== source.task) {
    throw new InputError({
      where: checkpoint,
      expected: `a model of the task ${source.task}`,
      found: `one of the task ${description.task}`,
      fix: "Two models can be compared when both have the same task, or in a task that both give (--task).",
    });
  }
  requireSameClasses(
    source.task,
    { where: checkpoint, classes: description.classes },
    { where, classes: source.classes },
  );
}
