/** @file The comparisons of the Mask-JEPA paper (arXiv 2407.10733): what each of its tables varies, as differences of settings. */

import { basename } from "node:path";
import { FAMILY_NAMES, type FamilyName, familyOf } from "../src/families/families.js";
import { MODEL_PARTS, type ModelPart } from "../src/families/family.js";
import type { PretrainSettings } from "../src/pretrain/settings.js";

/** How a model is pretrained: the base's settings with these over them (`--set`), which also name the run. */
export interface Pretraining {
  readonly name: string;
  readonly sets: readonly string[];
  /** Length relative to the base. */
  readonly length?: number;
  /** Number of the folder of images among those given with --images; the first without it. */
  readonly images?: number;
}

/** One row of a table. */
export interface Arm {
  readonly name: string;
  /** Undefined: nothing is pretrained, all weights are random. */
  readonly pretraining?: Pretraining;
  /** A run of the user's in its place. */
  readonly run?: string;
  /** Parts of either that fine-tuning begins with. */
  readonly parts: readonly ModelPart[];
  /** What is fine-tuned, where that is not what is pretrained. */
  readonly family?: FamilyName;
}

export interface Study {
  readonly title: string;
  /** Settings of every pretraining of this study, beside the base's. */
  readonly sets?: readonly string[];
  /** The first arm of a family is what its others are compared with. */
  readonly arms: readonly Arm[];
  /** Scores as they are logged, a table each; the one that decides, if absent. */
  readonly scores?: readonly string[];
  /** Shares of the labels, where the table varies them. */
  readonly labels?: readonly string[];
  /** What the paper says, for the reader of the table. */
  readonly paper?: string;
}

/** What a study is built from. */
export interface Base {
  /** Settings of the pretraining that the arms differ from. */
  readonly settings: PretrainSettings;
  /** Folders given with --images. */
  readonly images: readonly string[];
}

/** Both losses of the paper, for what compares them, where the base leaves one out. */
const bothLosses = ({ pretrain }: PretrainSettings) => (pretrain.denoising ? undefined : ["pretrain.denoising=true"]);

const BASE: Pretraining = { name: "base", sets: [] };

const whole = (name: string, pretraining: Pretraining = BASE): Arm => ({ name, pretraining, parts: MODEL_PARTS });

/** The supervised backbone that pretraining kept frozen, and decoders from the seed: the paper's baseline. */
export const BACKBONE_ONLY: Arm = { name: "backbone only", pretraining: BASE, parts: ["backbone"] };
const MASK_JEPA = whole("Mask-JEPA");

/** An arm whose pretraining differs in settings of its method: "pretrain.sigma=0.2". */
function varied(name: string, ...sets: string[]): Arm {
  return whole(name, { name: sets.join(",").replaceAll("pretrain.", ""), sets });
}

const RANDOM: Arm = { name: "random weights", parts: [] };

const STUDIES = {
  table1: ({ settings: { backbone } }: Base): Study => ({
    title: "Table 1: one pretraining, every architecture",
    arms: FAMILY_NAMES.flatMap((family) => {
      const { title } = familyOf({ family });
      const without = backbone.weights === null ? RANDOM : BACKBONE_ONLY;
      return [without, MASK_JEPA].map((arm) => ({ ...arm, family, name: `${title}, ${arm.name}` }));
    }),
    scores: ["pq", "apPan", "miouPan"],
    paper: "Pretrained in Mask2Former; every architecture gains from the same weights.",
  }),
  table4: (): Study => ({
    title: "Table 4: few labels",
    arms: [BACKBONE_ONLY, MASK_JEPA],
    labels: ["1%", "2%", "5%", "10%"],
    paper: "Pretraining helps where labels are few; both arms have the same ones.",
  }),
  table5: ({ settings, settings: { pretrain } }: Base): Study => ({
    title: "Table 5: parts of the method",
    sets: bothLosses(settings),
    arms: [
      whole(`all of it (M ${pretrain.selfAttentionBlocks}, s_i1 ${pretrain.featureStride})`),
      varied("without self-attention blocks (M 0)", "pretrain.selfAttentionBlocks=0"),
      varied("without L_denoise", "pretrain.denoising=false"),
      // It has no predictor, so no transformer decoder.
      { ...varied("without L_recon", "pretrain.reconstruction=false"), parts: ["backbone", "pixel-decoder"] },
      { ...BACKBONE_ONLY, name: "without pretraining" },
      ...[1, 2, 3]
        .filter((blocks) => blocks !== pretrain.selfAttentionBlocks)
        .map((blocks) => varied(`M ${blocks}`, `pretrain.selfAttentionBlocks=${blocks}`)),
      ...[8, 16, 32]
        .filter((stride) => stride !== pretrain.featureStride)
        .map((stride) => varied(`s_i1 ${stride}`, `pretrain.featureStride=${stride}`, "pretrain.maskPatch=1")),
    ],
    paper: "Reconstruction, denoising and the self-attention blocks all matter.",
  }),
  table6: ({ settings, settings: { pretrain } }: Base): Study => ({
    title: "Table 6: noise, masked share and patch",
    sets: bothLosses(settings),
    arms: [
      whole(`sigma ${pretrain.sigma}, ratio ${pretrain.maskRatio}, p ${pretrain.maskPatch}`),
      ...[0.2, 0.3, 0.4, 0.5]
        .filter((sigma) => sigma !== pretrain.sigma)
        .map((sigma) => varied(`sigma ${sigma}`, `pretrain.sigma=${sigma}`)),
      ...[0.25, 0.5, 0.75]
        .filter((ratio) => ratio !== pretrain.maskRatio)
        .map((ratio) => varied(`ratio ${ratio}`, `pretrain.maskRatio=${ratio}`)),
      // The paper's 4, 8 and 16 of a map of 64 cells: half and twice the base's.
      ...[pretrain.maskPatch / 2, pretrain.maskPatch * 2]
        .filter((patch) => Number.isInteger(patch))
        .map((patch) => varied(`p ${patch}`, `pretrain.maskPatch=${patch}`)),
    ],
  }),
  table7: (): Study => ({
    title: "Table 7: what goes over to fine-tuning",
    arms: [
      BACKBONE_ONLY,
      { name: "backbone and pixel decoder", pretraining: BASE, parts: ["backbone", "pixel-decoder"] },
      { name: "all parts", pretraining: BASE, parts: MODEL_PARTS },
    ],
  }),
  tableI: ({ settings, settings: { pretrain } }: Base): Study => ({
    title: "Table I: what denoising asks for",
    sets: bothLosses(settings),
    arms: (["image", "noise"] as const).map((target) => {
      const name = `the ${target}`;
      return target === pretrain.denoiseTarget ? whole(name) : varied(name, `pretrain.denoiseTarget=${target}`);
    }),
    paper: "PQ on ADE20K: the image 48.0, the noise 48.3.",
  }),
  tableJ: ({ settings: { model } }: Base): Study => ({
    title: "Table J: from random weights",
    sets: [
      ...["backbone.weights=null", "backbone.frozen=false"],
      ...(model.backbone === "resnet50" ? ["model.norm=group"] : []), // a Swin Transformer has layer norms
    ],
    arms: [RANDOM, MASK_JEPA],
  }),
  tableK: ({ images }: Base): Study => ({
    title: "Table K: images of the pretraining",
    arms: [
      BACKBONE_ONLY,
      ...images.map((folder, i) => whole(folder, i === 0 ? BASE : { name: `images-${i}`, sets: [], images: i })),
    ],
  }),
  tableL: (): Study => ({
    title: "Table L: length of the pretraining",
    arms: [
      BACKBONE_ONLY,
      ...[1, 2, 3, 4].map((length) =>
        whole(`x${length}`, length === 1 ? BASE : { name: `x${length}`, sets: [], length }),
      ),
    ],
    paper: "5, 10, 15 and 20 epochs of ImageNet: no gain from more.",
  }),
} as const;

export type StudyName = keyof typeof STUDIES;
export const STUDY_NAMES = Object.keys(STUDIES) as StudyName[];

export const studyNamed = (name: StudyName, base: Base): Study => STUDIES[name](base);

/**
 * The study with one more arm, the parts of a run that has learned to segment elsewhere: where they do not help either,
 * the setting shows no help of any weights, and says nothing against a pretraining.
 */
export const withControl = (study: Study, run: string): Study => ({
  ...study,
  arms: [...study.arms, { name: `control, ${basename(run)}`, run, parts: MODEL_PARTS, family: study.arms[0].family }],
});
