/** @file Which names tensors get for a target, and which of them stay behind. */

import { groupNames } from "../checkpoint/names/group-names.js";
import { familyIn, isBackbone, LAYOUTS, type Layout, layoutOf, type Software } from "../checkpoint/names/layouts.js";
import type { Move } from "../checkpoint/names/rules.js";
import { InputError } from "../core/errors.js";
import { familyOf, isFamily } from "../families/families.js";
import type { Target } from "./target.js";

export interface NamePlan {
  /** Of the names that the tensors get; absent for their own. */
  readonly layout?: Layout;
  readonly moves: readonly Move[];
  /** Not part of what the target holds, or excused. */
  readonly leftOut: readonly string[];
}

const BACKBONE = "backbone.";

/** The layout of a program for the whole model that these names are of; undefined where they are of none. */
function layoutOfModel(names: readonly string[], software: Software): Layout | undefined {
  const own = layoutOf(names);
  const family = own && familyIn(own);
  if (family === undefined || software === "timm") return undefined; // which has backbones alone
  if (!isFamily(family)) return software === "detectron2" ? own : undefined; // whose names are those of the files
  const { official, huggingface } = familyOf({ family }).names;
  const wanted = software === "detectron2" ? official : huggingface.layout;
  return LAYOUTS.find(({ name }) => name === wanted);
}

const isModel = (names: readonly string[]) => {
  const own = layoutOf(names);
  return own !== undefined && !isBackbone(own);
};

function layoutOfBackbone(names: readonly string[], software: Software): Layout | undefined {
  const begins = (start: string) => names.some((name) => name.startsWith(`${BACKBONE}${start}`));
  const kind = begins("patch_embed.") ? "swin" : begins("stem.") ? "resnet" : undefined;
  return LAYOUTS.find(
    ({ content }) => "backbone" in content && content.backbone === kind && content.software === software,
  );
}

/** Other programs build ResNets with batch norm for these names. */
function refuseGroupNorm(names: readonly string[], { name: target }: Target, source: string): void {
  const stem = `${BACKBONE}stem.conv1.norm.`;
  if (!names.includes(`${stem}weight`) || names.includes(`${stem}running_mean`)) return;
  throw new InputError({
    where: source,
    expected: `a ResNet with batch norm, the only one that ${target} builds for these names`,
    found: "group norm (model.norm group)",
    fix: "Export it with --to canonical, or train with model.norm frozen or batch.",
  });
}

function layoutFor(target: Target, software: Software, names: readonly string[], source: string): Layout {
  refuseGroupNorm(names, target, source);
  const layout = layoutOfModel(names, software) ?? layoutOfBackbone(names, software);
  if (layout && (software === "timm" || isBackbone(layout) === !isModel(names))) return layout;
  if (layout) {
    const found = layoutOf(names)?.title ?? "another one";
    throw new InputError({ where: source, expected: `a model that ${target.name} has names for`, found });
  }
  throw new InputError({ where: source, expected: "the weights of a ResNet or Swin Transformer", found: "neither" });
}

/**
 * The names under which a target keeps canonical tensors.
 * @param excused names that may be left out when the target has none for them
 * @throws InputError that lists the tensors without a name in the target
 */
export function planNames(
  names: Iterable<string>,
  target: Target,
  { source, excused = [] }: { source: string; excused?: readonly RegExp[] },
): NamePlan {
  const all = [...names];
  const fits = (name: string, patterns: readonly RegExp[]) => patterns.some((pattern) => name.search(pattern) >= 0);
  const inside = all.filter((name) => !fits(name, target.dropped));
  const dropped = all.filter((name) => fits(name, target.dropped));
  const { software } = target;
  if (software === undefined) {
    return { moves: inside.map((name) => ({ from: [name], to: [name] })), leftOut: dropped };
  }
  const layout = layoutFor(target, software, all, source);
  const { moves, unmatched } = layout.rules.write(inside);
  const refused = unmatched.filter((name) => !fits(name, excused));
  if (refused.length > 0) {
    throw new InputError({
      where: source,
      expected: `tensors that have a name in ${layout.title}`,
      found: `${refused.length} without one\n${groupNames(refused)
        .map((line) => `  ${line}`)
        .join("\n")}`,
      fix: "Leave them out by name (--leave-out PATTERN).",
    });
  }
  return { layout, moves, leftOut: [...dropped, ...unmatched] };
}
