/** @file Every setting for a person to read: its value, what it means and accepts, and where the value came from. */

import type { z } from "zod";
import { settingNames, valueAt } from "./settings-file.js";
import { withVariants } from "./settings-variants.js";

export interface ListedSetting {
  /** Dotted, as after `--set`. */
  readonly name: string;
  readonly value: unknown;
  readonly meaning: string;
  /** "a whole number from 1 to 64" */
  readonly accepts: string;
  /** "preset tiny", "recipe.yaml:3:5 optim.lr", "--set optim.lr=0" */
  readonly from: string;
}

/**
 * The settings in the order of the schema, with the variants that `settings` chooses; both texts are the schema's own.
 */
export function listSettings(schema: z.ZodObject, settings: object, fromOf: (name: string) => string): ListedSetting[] {
  const chosen = withVariants(schema, (discriminator) => [valueAt(settings, discriminator.split("."))]);
  return settingNames(chosen).map((name) => {
    const path = name.split(".");
    const { description, meaning } = leafOf(chosen, path).meta() ?? {};
    const value = valueAt(settings, path);
    return { name, value, meaning: String(meaning ?? ""), accepts: description ?? "", from: fromOf(name) };
  });
}

/** The schema of one setting. */
function leafOf(schema: z.ZodObject, path: readonly string[]): z.ZodType {
  return path.reduce<z.ZodType>((node, key) => (node as z.ZodObject).shape[key] as z.ZodType, schema);
}
