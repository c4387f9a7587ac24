/** @file Sections of settings whose keys depend on one of them, such as the numbers of a model on its backbone. */

import { z } from "zod";

interface Section {
  /** The key that chooses the variant, a literal in each of them. */
  discriminator: string;
  variants: readonly z.ZodObject[];
}

/** A section with variants is a discriminated union; undefined for any other schema. */
function sectionOf(schema: z.core.$ZodType): Section | undefined {
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return undefined;
  return { discriminator: schema.def.discriminator, variants: schema.options as z.ZodObject[] };
}

/** The variants of a section; a section without is its only one; none for a single setting. */
export function variantsOf(schema: z.core.$ZodType): readonly z.ZodObject[] {
  return schema instanceof z.ZodObject ? [schema] : (sectionOf(schema)?.variants ?? []);
}

const nameOf = (variant: z.ZodObject, discriminator: string) =>
  String((variant.shape[discriminator] as z.ZodLiteral).value);

/**
 * `schema` with the variant that applies in the place of each section that has some. `choices` gives what was written for a
 * discriminator ("model.backbone"), the highest rank first; a name that no variant has leaves the next one's.
 */
export function withVariants(schema: z.ZodObject, choices: (discriminator: string) => readonly unknown[]): z.ZodObject {
  const shape = Object.entries(schema.shape).map(([key, child]) => {
    const section = sectionOf(child);
    if (!section) return [key, child];
    const { discriminator, variants } = section;
    const names = variants.map((variant) => nameOf(variant, discriminator));
    const chosen = choices(`${key}.${discriminator}`).find((choice) => names.includes(String(choice)));
    const variant = variants[Math.max(0, names.indexOf(String(chosen)))];
    const { meaning } = (variant.shape[discriminator] as z.ZodType).meta() ?? {};
    const description = `one of ${names.map((name) => `"${name}"`).join(", ")}`;
    const anyName = z.enum(names).meta({ description, meaning });
    return [key, z.strictObject({ ...variant.shape, [discriminator]: anyName })];
  });
  return z.strictObject(Object.fromEntries(shape));
}

/** The setting, as text, that the variant with the key at `path` needs; undefined when no variant has that key. */
export function neededFor(schema: z.ZodObject, [key, name]: readonly string[]): string | undefined {
  const section = Object.hasOwn(schema.shape, key) ? sectionOf(schema.shape[key]) : undefined;
  const owner = section?.variants.find(({ shape }) => Object.hasOwn(shape, name));
  return owner && section && `${key}.${section.discriminator} ${nameOf(owner, section.discriminator)}`;
}
