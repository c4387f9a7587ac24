/** @file `mask-jepa data check` */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.js";
import { TASKS, type Task } from "../masks/segmentation.js";
import { append } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  data: string;
  dataRoot?: string;
  task?: Task;
  split?: string[];
  report?: string;
}

const EXAMPLES = `
DATA is a folder in the layout of ADE20K, Cityscapes or COCO, a folder with a data.yaml, or such a file.

Examples:
  mask-jepa data check --data ADEChallengeData2016
  mask-jepa data check --data recipes/data-camvid.yaml --data-root camvid --task semantic --split train --split val`;

async function check({ data, dataRoot, task, split, report: file }: Flags): Promise<void> {
  const { checkData } = await import("../data/check/check-data.js");
  const { breakage, reportLines, summaryOf, verdict } = await import("../data/check/report-text.js");
  const reporter = openTerminal();
  const report = await checkData(data, { root: dataRoot, task, splits: split, reporter });
  reporter.say(reportLines(report).join("\n"));
  if (file) {
    const { writeFileAtomic } = await import("../io/atomic-file.js");
    await writeFileAtomic(file, `${JSON.stringify(summaryOf(report), undefined, 2)}\n`);
  }
  const broken = breakage(report);
  if (broken === undefined) reporter.say(verdict(report));
  else {
    const passed = report.trainable.length > 0 ? " Fine-tuning passes these images over." : "";
    const fix = (file ? `All of them: ${file}.` : "--report FILE.json lists all of them.") + passed;
    throw new InputError({ where: data, expected: "data without faults", found: broken, fix });
  }
}

export function addData(program: Command): void {
  const data = program.command("data").description("look at labelled data");
  data
    .command("check")
    .description("count images and labels, find what is wrong with them, and print how often each class occurs")
    .requiredOption("--data <data>", "data set: a folder or a YAML file")
    .option("--data-root <dir>", "the data's folder, in place of the YAML file's root")
    .addOption(new Option("--task <task>", "task to check (default: what there are labels for)").choices(TASKS))
    .option("--split <name>", "split to check (repeatable; default: all)", append)
    .option("--report <file>", "write the findings with all files as JSON")
    .addHelpText("after", EXAMPLES)
    .action(check);
}
