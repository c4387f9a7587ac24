/** @file The layouts of names that are known, and which of them a file has. */

import { InputError } from "../../core/errors.js";
import { groupNames } from "./group-names.js";
import { FIRST_MASK2FORMER, HUGGINGFACE_MASK2FORMER, MASK2FORMER } from "./mask2former.js";
import { HUGGINGFACE_MASKFORMER } from "./maskformer.js";
import { HUGGINGFACE_ONEFORMER } from "./oneformer.js";
import { DETECTRON2_RESNET, HUGGINGFACE_RESNET, TORCHVISION_RESNET } from "./resnet.js";
import { below, type Plan, type Rule, type RuleSet, ruleSet } from "./rules.js";
import { HUGGINGFACE_SWIN, MICROSOFT_SWIN, TIMM_SWIN } from "./swin.js";

/** Programs that have names of their own for a backbone or for whole models. */
export type Software = "detectron2" | "huggingface" | "timm";

export type BackboneKind = "resnet" | "swin";

/**
 * What a file of a layout holds: a backbone alone, under the names of a program; or a model of a family (as in the
 * setting model.family), perhaps without its transformer decoder.
 */
export type Content = { readonly backbone: BackboneKind; readonly software: Software } | { readonly family: string };

export interface Layout {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly content: Content;
  /** Names that only this layout has together, below a common prefix. */
  readonly anchors: readonly string[];
  /** Names that it does not have. */
  readonly without?: readonly string[];
  readonly rules: RuleSet;
}

/** Of a backbone alone what no rule knows goes below `backbone.` under its own name, and is unexpected there. */
export const isBackbone = ({ content }: Layout): boolean => "backbone" in content;

/** The family of models that a layout's files hold; undefined for backbones. */
export const familyIn = ({ content }: Layout): string | undefined => ("family" in content ? content.family : undefined);

function backbone(
  kind: BackboneKind,
  software: Software,
  name: string,
  title: string,
  rules: readonly Rule[],
  anchors: readonly string[],
): Layout {
  return { name, title, content: { backbone: kind, software }, anchors, rules: ruleSet(below(rules, "backbone.", "")) };
}

const PREDICTOR = "sem_seg_head.predictor.class_embed.weight";
/** After the layers of its transformer decoder, where its relatives have a `decoder_norm`. */
const MASKFORMER_NORM = "sem_seg_head.predictor.transformer.decoder.norm.weight";
const canonical = ruleSet(MASK2FORMER);
const model = (family: string, name: string, title: string, anchors: readonly string[]): Layout => ({
  name,
  title,
  content: { family },
  anchors,
  rules: canonical,
});

const SWIN_ANCHORS = ["patch_embed.proj.weight", "layers.0.blocks.0.attn.qkv.weight"];

/** Most telling first. */
export const LAYOUTS: readonly Layout[] = [
  model("oneformer", "oneformer", "OneFormer", [PREDICTOR, "task_mlp.layers.0.weight"]),
  model("mp-former", "mp-former", "MP-Former", [PREDICTOR, "sem_seg_head.predictor.label_enc.weight"]),
  {
    ...model("maskformer", "maskformer-1", "MaskFormer before its pixel decoder was a module of its own", [
      "sem_seg_head.mask_features.weight",
      MASKFORMER_NORM,
    ]),
    rules: ruleSet(FIRST_MASK2FORMER),
  },
  model("maskformer", "maskformer", "MaskFormer", [PREDICTOR, MASKFORMER_NORM]),
  {
    ...model("mask2former", "mask2former-1", "Mask2Former before its pixel decoder was a module of its own", [
      "sem_seg_head.mask_features.weight",
    ]),
    rules: ruleSet(FIRST_MASK2FORMER),
  },
  model("mask2former", "mask2former-release", "Mask2Former, as released (static_query)", [
    PREDICTOR,
    "sem_seg_head.predictor.static_query.weight",
  ]),
  model("mask2former", "mask2former", "Mask2Former", [PREDICTOR, "sem_seg_head.pixel_decoder.mask_features.weight"]),
  model("mask2former", "canonical", "backbone and pixel decoder under the names of Mask2Former", [
    "sem_seg_head.pixel_decoder.mask_features.weight",
  ]),
  {
    ...model("maskformer", "huggingface-maskformer", "Hugging Face MaskFormerForInstanceSegmentation", [
      "model.pixel_level_module.decoder.fpn.stem.0.weight",
      "class_predictor.weight",
    ]),
    rules: ruleSet(HUGGINGFACE_MASKFORMER),
  },
  {
    ...model("oneformer", "huggingface-oneformer", "Hugging Face OneFormerForUniversalSegmentation", [
      "model.task_encoder.task_mlp.layers.0.0.weight",
      "model.transformer_module.decoder.class_embed.weight",
    ]),
    rules: ruleSet(HUGGINGFACE_ONEFORMER),
  },
  {
    ...model("mask2former", "huggingface", "Hugging Face Mask2FormerForUniversalSegmentation", [
      "model.pixel_level_module.decoder.mask_projection.weight",
      "class_predictor.weight",
    ]),
    rules: ruleSet(HUGGINGFACE_MASK2FORMER),
  },
  backbone("resnet", "detectron2", "detectron2-resnet", "detectron2 ResNet", DETECTRON2_RESNET, [
    "stem.conv1.weight",
    "res2.0.conv1.weight",
  ]),
  backbone("resnet", "timm", "torchvision-resnet", "torchvision or timm ResNet", TORCHVISION_RESNET, [
    "conv1.weight",
    "layer1.0.conv3.weight",
  ]),
  backbone("resnet", "huggingface", "huggingface-resnet", "Hugging Face ResNet", HUGGINGFACE_RESNET, [
    "embedder.embedder.convolution.weight",
    "encoder.stages.0.layers.0.layer.2.convolution.weight",
  ]),
  backbone("swin", "huggingface", "huggingface-swin", "Hugging Face Swin", HUGGINGFACE_SWIN, [
    "embeddings.patch_embeddings.projection.weight",
    "encoder.layers.0.blocks.0.attention.self.query.weight",
  ]),
  {
    ...backbone("swin", "timm", "timm-swin", "timm Swin", TIMM_SWIN, [
      ...SWIN_ANCHORS,
      "layers.1.downsample.reduction.weight",
    ]),
    without: ["layers.0.downsample.reduction.weight"],
  },
  backbone("swin", "detectron2", "microsoft-swin", "Microsoft or Mask2Former Swin", MICROSOFT_SWIN, SWIN_ANCHORS),
];

/** The layout that these names have as they are, without a prefix; undefined for none. */
export function layoutOf(names: Iterable<string>): Layout | undefined {
  const given = new Set(names);
  return LAYOUTS.find((layout) => prefixesOf(layout, given).includes(""));
}

/** Prefixes of copies that follow the trained weights slowly; the trained ones are taken where both are there. */
const FOLLOWER = /(^|[._])(k|ema|momentum|target|teacher)[._]/;

export interface Recognised {
  readonly layout: Layout;
  /** In front of every name that the layout knows, e.g. `module.` or `encoder.`. */
  readonly prefix: string;
  readonly plan: Plan;
  /** Names without the prefix: other parts of the checkpoint. */
  readonly aside: readonly string[];
}

/** The prefixes below which all anchors lie, the best one first. */
function prefixesOf({ anchors, without = [] }: Layout, names: ReadonlySet<string>): string[] {
  const [first, ...others] = anchors;
  return [...names]
    .filter((name) => name === first || name.endsWith(`.${first}`))
    .map((name) => name.slice(0, -first.length))
    .filter((prefix) => others.every((anchor) => names.has(prefix + anchor)))
    .filter((prefix) => !without.some((name) => names.has(prefix + name)))
    .sort((a, b) => Number(FOLLOWER.test(a)) - Number(FOLLOWER.test(b)) || a.length - b.length);
}

/**
 * Recognises a file's layout by its names.
 * @param source where they come from, for the message
 * @throws InputError that shows some of the names when no layout fits
 */
export function recognise(names: Iterable<string>, source: string): Recognised {
  const given = new Set(names);
  for (const layout of LAYOUTS) {
    const [prefix] = prefixesOf(layout, given);
    if (prefix === undefined) continue;
    const inside = [...given].filter((name) => name.startsWith(prefix));
    const aside = [...given].filter((name) => !name.startsWith(prefix));
    const plan = layout.rules.read(inside.map((name) => name.slice(prefix.length)));
    return { layout, prefix, plan, aside };
  }
  throw new InputError({
    where: source,
    expected: `the names of one of: ${LAYOUTS.map(({ title }) => title).join("; ")}`,
    found: `${given.size} others, such as\n${groupNames(given)
      .slice(0, 12)
      .map((line) => `  ${line}`)
      .join("\n")}`,
  });
}
