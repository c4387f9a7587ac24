/** @file Scores of the current weights on the validation split, between steps. */

import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import type { LabelledSplit } from "../data/datasets/split.js";
import { evaluate } from "../evaluate/evaluate.js";
import type { Evaluation } from "../evaluate/evaluation.js";
import { metric as metricNamed } from "../evaluate/metrics.js";
import { imageCounts } from "../evaluate/summary.js";
import { groupByPaddedSize, Predictor } from "../predict/predictor.js";
import type { Measurement } from "../run/training-loop.js";
import type { Runtime } from "../runtime/contract.js";
import type { TensorMap } from "../train/parameter-layout.js";
import type { ModelDescription } from "../weights/model-description.js";

export class Validation {
  private constructor(
    private readonly predictor: Predictor,
    private readonly source: LabelledSplit,
    /** Indices in the order in which the model takes them best. */
    private readonly order: readonly number[],
    private readonly reporter: Reporter,
  ) {}

  /** `weights`: the tensors that training changes; they are read at each evaluation. */
  static async create(
    runtime: Runtime,
    model: ModelDescription,
    weights: TensorMap,
    { source, reporter }: { source: LabelledSplit; reporter: Reporter },
  ): Promise<Validation> {
    const predictor = await Predictor.create(runtime, model, { weights });
    const sizes = [];
    // What cannot be read is found out, and listed, when it is evaluated.
    const task = reporter.begin("Reading the sizes of validation images", source.length);
    for (let i = 0; i < source.length; i++) {
      sizes.push(await source.size(i).catch(() => ({ width: 1, height: 1 })));
      task.update(i + 1);
    }
    task.end();
    return new Validation(predictor, source, groupByPaddedSize(sizes, model.inference).flat(), reporter);
  }

  /**
   * Scores, in percent, on the first `limit` images of the split, 0 for all; the deciding one chooses the best
   * checkpoint. Where most images cannot be used there are none: training that went well does not end for it.
   */
  async measure(step: number, limit: number): Promise<Measurement> {
    const { source, predictor, order, reporter } = this;
    const indices = order.filter((index) => limit === 0 || index < limit);
    const task = reporter.begin("Evaluating", indices.length);
    let evaluation: Evaluation;
    try {
      evaluation = await evaluate({
        source,
        indices,
        predict: (image, forms) => predictor.predict(image, forms),
        underWay: predictor.concurrency + 1,
        progress: (done) => task.update(done),
      });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { metrics: {}, save: true, messages: [`step ${step}: not scored. ${error.message}`] };
    } finally {
      task.end();
    }
    const { deciding, scores } = evaluation;
    const known = Object.entries(scores).filter((entry): entry is [string, number] => entry[1] !== null);
    const metrics = Object.fromEntries(known.map(([name, value]) => [`val-${name}`, value]));
    const { metric, value } = deciding;
    const percent = value === null ? "not defined" : value.toFixed(1);
    return {
      metrics,
      save: true,
      messages: [`step ${step}: ${metricNamed(metric).label} ${percent} on ${imageCounts(evaluation, "val")}`],
      ...(value !== null && { score: { metric, value, goal: "max" } }),
    };
  }

  dispose(): Promise<void> {
    return this.predictor.dispose();
  }
}
