/**
 * @file MP-Former (Zhang et al. 2023): a Mask2Former whose queries have no position, trained together with pilots,
 * queries that are made of the objects' labels and see the objects' masks, both with noise. It predicts without them.
 */

import { RandomStream } from "../core/random.js";
import type { Conflict } from "../core/settings-conflicts.js";
import { count, nonNegative, onOff, unit } from "../core/settings-fields.js";
import {
  AS_MANY_AS_FIT,
  type DrawnPilots,
  drawPilots,
  type PilotDraws,
  type PilotFrame,
  pilotInputs,
  pilotQueries,
} from "../models/pilots.js";
import { learnedContent, transformerDecoder } from "../models/transformer-decoder.js";
import type { Family } from "./family.js";
import {
  MASK2FORMER_FIELDS,
  MASK2FORMER_USUAL,
  type Mask2FormerEncoder,
  type Mask2FormerOptions,
  mask2former,
  mask2formerModel,
} from "./mask2former.js";
import { commonConflicts, type Recipe, type ValuesOf } from "./settings.js";
import { type GivenObjects, NO_OBJECT, type Training, UNSUPERVISED } from "./training.js";

const FIELDS = {
  ...MASK2FORMER_FIELDS,
  pilotQueries: count(
    { max: 10_000 },
    "Pilots that there is room for: of an image with more objects than pilotQueries / pilotGroups, as many are drawn.",
  ),
  pilotGroups: count(
    { max: 10_000 },
    "Groups of pilots, each with one for every object; 100 or more: as many groups as so many pilots make.",
  ),
  labelNoise: unit("Share of the pilots that are made of a random class."),
  maskNoise: nonNegative(
    "How likely a cell of a pilot's mask is changed, as a multiple of the share that the object has.",
  ),
  maskNoiseOfHeads: onOff("Whether each attention head has noise of its own in the pilots' masks."),
  pilotAllLayers: onOff("Whether pilots see the objects' masks in all layers, or else in the first four."),
};

export type MpFormerSettings = ValuesOf<typeof FIELDS>;

const USUAL: MpFormerSettings = {
  ...MASK2FORMER_USUAL,
  pilotQueries: 100, // [choice] the authors' graphs are as large as a batch needs; no image of COCO has more objects
  pilotGroups: 1,
  labelNoise: 0.2,
  maskNoise: 0,
  maskNoiseOfHeads: false,
  pilotAllLayers: true,
};

function* conflicts(model: MpFormerSettings): Generator<Conflict> {
  yield* commonConflicts(model);
  const { pilotQueries, pilotGroups } = model;
  if (pilotGroups >= AS_MANY_AS_FIT || pilotQueries >= pilotGroups) return;
  yield {
    names: ["model.pilotQueries", "model.pilotGroups"],
    expected: `at least one pilot a group, model.pilotQueries of ${pilotGroups} or more`,
    found: `${pilotQueries}`,
  };
}

export type MpFormerOptions = Mask2FormerOptions & PilotFrame;

/** What the pilots of a step draw. */
export function seededDraws(seed: number, step: number): PilotDraws {
  const stream = (sample: number, purpose: string) =>
    new RandomStream({ seed, step, sample, purpose: `pilot ${purpose}` });
  return {
    objects: (image, objects, room) =>
      [...stream(image, "objects").permutation(objects).subarray(0, room)].sort((a, b) => a - b),
    labels: (image, out) => stream(image, "labels").fillUniform(out),
    cells: (layer, { image, group, object }, out) =>
      stream(image, `cells/${layer}/${group}/${object}`).fillUniform(out),
  };
}

const PREDICTOR = "sem_seg_head.predictor";
const NOTHING = { empty: NO_OBJECT, unused: UNSUPERVISED };

/** What pilots are to predict: their own objects, without a matching. */
export const givenObjects = ({ objects, groups }: DrawnPilots): GivenObjects => ({
  queries: objects.map((numbers) =>
    Int32Array.from(numbers, (number) => (typeof number === "number" ? number : NOTHING[number])),
  ),
  repeats: groups,
});

const training: Training<MpFormerOptions> = {
  inputs: (model, { images, size }) =>
    new Map([...pilotInputs(model, images, size)].map(([name, shape]) => [name, { dtype: "float32", shape }])),
  draw(model, { seed, step, objects, size }) {
    const pilots = drawPilots(model, objects, size, seededDraws(seed, step));
    return { objects, given: new Map([["dn", givenObjects(pilots)]]), inputs: pilots.inputs };
  },
};

/** On COCO for so many epochs, usually 50, with drops of the learning rate at these steps. */
const coco = (task: Recipe["task"], epochs: number, steps: number, drops: readonly number[]): Recipe => ({
  name: `r50-coco-${task}${epochs === 50 ? "" : `-${epochs}ep`}`,
  backbone: "resnet50",
  data: "coco",
  task,
  settings: { run: { steps }, optim: { milestones: drops.map((drop) => drop / steps) } },
});

/** In steps where Mask2Former's learning rate falls as a polynomial. */
const stepped = (data: Recipe["data"], steps: number, drops: readonly number[]): Recipe[] =>
  (["semantic", "instance", "panoptic"] as const).map((task) => ({
    name: `r50-${data}-${task}`,
    backbone: "resnet50",
    data,
    task,
    settings: { optim: { schedule: "multistep", milestones: drops.map((drop) => drop / steps) } },
  }));

const RECIPES: readonly Recipe[] = [
  ...stepped("ade20k", 160_000, [135_000, 150_000]),
  ...stepped("cityscapes", 90_000, [80_000, 85_000]),
  ...(["instance", "panoptic"] as const).flatMap((task) => [
    coco(task, 12, 88_500, [73_750, 81_125]),
    coco(task, 24, 177_000, [162_250, 169_625]),
    coco(task, 36, 265_500, [245_000, 260_000]),
    coco(task, 50, 368_750, [327_778, 355_092]),
  ]),
];

export const mpFormer: Family<MpFormerSettings, Mask2FormerEncoder, MpFormerOptions> = {
  ...mask2former,
  name: "mp-former",
  title: "MP-Former",
  fresh: /^sem_seg_head\.predictor\.(query_feat|label_enc|class_embed|mask_embed)\./,
  classRows: /^sem_seg_head\.predictor\.(class_embed|label_enc)\./,
  trainingOnly: [/^sem_seg_head\.predictor\.label_enc\./],
  names: {
    official: "mp-former",
    huggingface: {
      ...mask2former.names.huggingface,
      zeros: [{ name: `${PREDICTOR}.query_embed.weight`, like: `${PREDICTOR}.query_feat.weight` }],
      remark: "An MP-Former is a Mask2Former to transformers: the positions of its queries are zeros.",
    },
  },
  settings: {
    ...mask2former.settings,
    fields: FIELDS,
    usual: USUAL,
    conflicts,
    model: (settings, frame) => ({
      ...mask2formerModel(settings, frame),
      pilots: {
        queries: settings.pilotQueries,
        groups: settings.pilotGroups,
        labelNoise: settings.labelNoise,
        maskNoise: settings.maskNoise,
        ownHeads: settings.maskNoiseOfHeads,
        allLayers: settings.pilotAllLayers,
      },
    }),
  },
  recipes: RECIPES,
  pretrains: false, // pretraining has no objects: its weights are Mask2Former's
  transformerDecoder(p, { multiScale, maskFeatures }, model, inputs) {
    const scope = p.in(PREDICTOR);
    const decoder = model.transformerDecoder;
    const pilots = inputs.size > 0 ? pilotQueries(scope, inputs, model) : undefined;
    const queries = () => ({ content: learnedContent(scope, maskFeatures.shape[0], decoder), pilots });
    const predictions = transformerDecoder(scope, multiScale, maskFeatures, decoder, queries);
    const ofPilots = predictions.flatMap((prediction) => prediction.pilots ?? []);
    return {
      groups: [
        { name: "", objects: "matched", predictions },
        ...(pilots ? [{ name: "dn", objects: "given" as const, predictions: ofPilots }] : []),
      ],
    };
  },
  training,
};
