/** @file `mask-jepa settings` */

import { Argument, type Command, Help } from "commander";
import { listSettings as finetuneSettings } from "../finetune/settings-resolution.js";
import { listSettings as pretrainSettings } from "../pretrain/settings-resolution.js";
import type { SettingsList } from "../run/settings-resolution.js";
import { append } from "./arguments.js";

interface Flags {
  config?: string;
  set?: string[];
  json?: boolean;
}

const KINDS = { pretrain: pretrainSettings, finetune: finetuneSettings };
type Kind = keyof typeof KINDS;

const EXAMPLES = `
Examples:
  mask-jepa settings pretrain
  mask-jepa settings finetune camvid
  mask-jepa settings finetune scenes --set optim.lr=2e-4 --config mine.yaml
  mask-jepa settings pretrain tiny --json`;

const WIDTH = 80;

/** A value as one would write it after `--set`. */
const written = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(written).join(", ")}]` : typeof value === "string" ? value : String(value);

function block(text: string, indent: number): string {
  const lines = new Help().boxWrap(text, WIDTH - indent).split("\n");
  return lines.map((line) => " ".repeat(indent) + line).join("\n");
}

/** Three parts a setting: name and value, meaning, range and source. */
function page(kind: Kind, { preset, isDefault, settings, conflict }: SettingsList): string {
  const entries = settings.map(({ name, value, meaning, accepts, from }) =>
    [block(`${name} = ${written(value)}`, 0), block(meaning, 4), block(`accepts ${accepts}; from ${from}`, 4)].join(
      "\n",
    ),
  );
  const note = conflict === undefined ? [] : [block(`A run with these settings is refused: ${conflict}`, 0)];
  return [`Settings of ${kind}, preset ${preset}${isDefault ? " (the default)" : ""}`, ...entries, ...note].join(
    "\n\n",
  );
}

function showSettings(kind: Kind | undefined, preset: string | undefined, { config, set, json }: Flags): void {
  const kinds = kind === undefined ? (Object.keys(KINDS) as Kind[]) : [kind];
  const lists = kinds.map((name) => [name, KINDS[name]({ preset, file: config, sets: set })] as const);
  console.log(
    json
      ? JSON.stringify(Object.fromEntries(lists), null, 2)
      : lists.map(([name, list]) => page(name, list)).join("\n\n\n"),
  );
}

export function addSettings(program: Command): void {
  program
    .command("settings")
    .description("print every setting: its value, what it means, what it accepts and where the value came from")
    .addArgument(new Argument("[kind]", "of which runs (default: both)").choices(Object.keys(KINDS)))
    .argument("[preset]", "the preset to show (default: the one that the command starts from)")
    .option("--config <file>", "YAML file with settings over the preset")
    .option("--set <key=value>", "one setting over the file (repeatable)", append)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(showSettings);
}
