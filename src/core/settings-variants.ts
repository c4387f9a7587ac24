/**
 * @file Sections of settings whose keys depend on some of them, such as the numbers of a model on its family and
 * backbone.
 */

import { z } from "zod";

interface Section {
  /** The keys that choose the variant, literals in each of them. */
  readonly discriminators: readonly string[];
  readonly variants: readonly z.ZodObject[];
}

/**
 * A section with variants is a discriminated union, perhaps of discriminated unions; undefined for any other schema.
 */
function sectionOf(schema: z.core.$ZodType): Section | undefined {
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return undefined;
  const parts = schema.options.map((option) =>
    option instanceof z.ZodObject ? { discriminators: [], variants: [option] } : sectionOf(option),
  );
  const inner = parts.flatMap((part) => part?.discriminators ?? []);
  return {
    discriminators: [...new Set([schema.def.discriminator, ...inner])],
    variants: parts.flatMap((part) => part?.variants ?? []),
  };
}

/** The variants of a section; a section without is its only one; none for a single setting. */
export function variantsOf(schema: z.core.$ZodType): readonly z.ZodObject[] {
  return schema instanceof z.ZodObject ? [schema] : (sectionOf(schema)?.variants ?? []);
}

/** The value of a discriminator in a variant, and the one that it has where none is written. */
function literalOf(variant: z.ZodObject, discriminator: string): { name: string; usual?: string } {
  const schema = variant.shape[discriminator];
  if (!(schema instanceof z.ZodDefault)) return { name: String((schema as z.ZodLiteral).value) };
  return { name: String((schema.unwrap() as z.ZodLiteral).value), usual: String(schema.def.defaultValue) };
}

const nameOf = (variant: z.ZodObject, discriminator: string) => literalOf(variant, discriminator).name;

const distinct = (names: readonly string[]) => [...new Set(names)] as [string, ...string[]];

/**
 * `schema` with the variant that applies in the place of each section that has some. `choices` gives what was written
 * for a discriminator ("model.backbone"), the highest rank first; a name that no variant has leaves the next one's.
 */
export function withVariants(schema: z.ZodObject, choices: (discriminator: string) => readonly unknown[]): z.ZodObject {
  const shape = Object.entries(schema.shape).map(([key, child]) => {
    const section = sectionOf(child);
    return [key, section ? chosenVariant(section, (name) => choices(`${key}.${name}`)) : child];
  });
  return z.strictObject(Object.fromEntries(shape));
}

function chosenVariant(
  { discriminators, variants }: Section,
  choices: (discriminator: string) => readonly unknown[],
): z.ZodObject {
  let fitting = variants;
  const anyNames = discriminators.map((discriminator) => {
    const names = distinct(variants.map((variant) => nameOf(variant, discriminator)));
    const written = choices(discriminator).map(String);
    const usual = literalOf(variants[0], discriminator).usual ?? names[0];
    const name = written.find((choice) => names.includes(choice)) ?? usual;
    fitting = fitting.filter((variant) => nameOf(variant, discriminator) === name);
    return [discriminator, names] as const;
  });
  const [variant] = fitting;
  const replaced = anyNames.map(([discriminator, names]) => {
    const { meaning, fix } = (variant.shape[discriminator] as z.ZodType).meta() ?? {};
    const { usual } = literalOf(variant, discriminator);
    const description = `one of ${names.map((name) => `"${name}"`).join(", ")}`;
    const anyName = usual === undefined ? z.enum(names) : z.enum(names).default(usual);
    return [discriminator, anyName.meta({ description, meaning, fix })];
  });
  return z.strictObject({ ...variant.shape, ...Object.fromEntries(replaced) });
}

/** The settings, as text, that a variant with the key at `path` needs; undefined when none has that key, or all. */
export function neededFor(schema: z.ZodObject, [key, name]: readonly string[]): string | undefined {
  const section = Object.hasOwn(schema.shape, key) ? sectionOf(schema.shape[key]) : undefined;
  if (!section) return undefined;
  const { discriminators, variants } = section;
  const owners = variants.filter(({ shape }) => Object.hasOwn(shape, name));
  const needed = discriminators.flatMap((discriminator) => {
    const [all, own] = [variants, owners].map((some) =>
      distinct(some.map((variant) => nameOf(variant, discriminator))),
    );
    return own.length === 0 || own.length === all.length ? [] : [`${key}.${discriminator} ${own.join(" or ")}`];
  });
  return needed.length === 0 ? undefined : needed.join(" and ");
}
