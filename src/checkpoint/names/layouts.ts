/** @file The layouts of names that are known, and which of them a file has. */

import { InputError } from "../../core/errors.js";
import { groupNames } from "./group-names.js";
import { FIRST_MASK2FORMER, HUGGINGFACE_MASK2FORMER, MASK2FORMER } from "./mask2former.js";
import { DETECTRON2_RESNET, HUGGINGFACE_RESNET, TORCHVISION_RESNET } from "./resnet.js";
import { below, type Plan, type Rule, type RuleSet, ruleSet } from "./rules.js";
import { HUGGINGFACE_SWIN, MICROSOFT_SWIN, TIMM_SWIN } from "./swin.js";

export interface Layout {
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Names that only this layout has together, below a common prefix. */
  readonly anchors: readonly string[];
  /** Names that it does not have. */
  readonly without?: readonly string[];
  /** Holds only a backbone: what no rule knows goes below `backbone.` under its own name, and is unexpected there. */
  readonly backboneOnly: boolean;
  readonly rules: RuleSet;
}

function backbone(name: string, title: string, rules: readonly Rule[], anchors: readonly string[]): Layout {
  return { name, title, anchors, backboneOnly: true, rules: ruleSet(below(rules, "backbone.", "")) };
}

const PREDICTOR = "sem_seg_head.predictor.class_embed.weight";
const canonical = ruleSet(MASK2FORMER);
const whole = (name: string, title: string, anchors: readonly string[]): Layout => ({
  name,
  title,
  anchors,
  backboneOnly: false,
  rules: canonical,
});

const SWIN_ANCHORS = ["patch_embed.proj.weight", "layers.0.blocks.0.attn.qkv.weight"];

/** Most telling first. */
export const LAYOUTS: readonly Layout[] = [
  whole("oneformer", "OneFormer", [PREDICTOR, "task_mlp.layers.0.weight"]),
  whole("mp-former", "MP-Former", [PREDICTOR, "sem_seg_head.predictor.label_enc.weight"]),
  {
    ...whole("mask2former-1", "Mask2Former before its pixel decoder was a module of its own", [
      "sem_seg_head.mask_features.weight",
    ]),
    rules: ruleSet(FIRST_MASK2FORMER),
  },
  whole("mask2former-release", "Mask2Former, as released (static_query)", [
    PREDICTOR,
    "sem_seg_head.predictor.static_query.weight",
  ]),
  whole("mask2former", "Mask2Former", [PREDICTOR, "sem_seg_head.pixel_decoder.mask_features.weight"]),
  whole("canonical", "backbone and pixel decoder under the names of Mask2Former", [
    "sem_seg_head.pixel_decoder.mask_features.weight",
  ]),
  {
    name: "huggingface",
    title: "Hugging Face Mask2FormerForUniversalSegmentation",
    anchors: ["model.pixel_level_module.decoder.mask_projection.weight", "class_predictor.weight"],
    backboneOnly: false,
    rules: ruleSet(HUGGINGFACE_MASK2FORMER),
  },
  backbone("detectron2-resnet", "detectron2 ResNet", DETECTRON2_RESNET, ["stem.conv1.weight", "res2.0.conv1.weight"]),
  backbone("torchvision-resnet", "torchvision or timm ResNet", TORCHVISION_RESNET, [
    "conv1.weight",
    "layer1.0.conv3.weight",
  ]),
  backbone("huggingface-resnet", "Hugging Face ResNet", HUGGINGFACE_RESNET, [
    "embedder.embedder.convolution.weight",
    "encoder.stages.0.layers.0.layer.2.convolution.weight",
  ]),
  backbone("huggingface-swin", "Hugging Face Swin", HUGGINGFACE_SWIN, [
    "embeddings.patch_embeddings.projection.weight",
    "encoder.layers.0.blocks.0.attention.self.query.weight",
  ]),
  {
    ...backbone("timm-swin", "timm Swin", TIMM_SWIN, [...SWIN_ANCHORS, "layers.1.downsample.reduction.weight"]),
    without: ["layers.0.downsample.reduction.weight"],
  },
  backbone("microsoft-swin", "Microsoft or Mask2Former Swin", MICROSOFT_SWIN, SWIN_ANCHORS),
];

/** @throws RangeError for a name that is not in the table */
export function layoutNamed(name: string): Layout {
  const layout = LAYOUTS.find((known) => known.name === name);
  if (!layout) throw new RangeError(`layoutNamed: no layout "${name}"`);
  return layout;
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
