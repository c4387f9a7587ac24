import { expect, test } from "vitest";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { openTrainingData, widestTask } from "../../src/finetune/training-data.js";
import type { Task } from "../../src/masks/segmentation.js";
import { dataFolder } from "../support/data-folders.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { writeScenes } from "../support/tiny-finetuning.js";

async function opened(path: string, ...sets: readonly string[]) {
  const flags = [{ path: ["data", "path"], value: path, where: "--data" }];
  const reporter = recordedReporter();
  const { task } = await openTrainingData(resolveSettings({ sets, flags }), reporter);
  return { task, said: reporter.lines[0] };
}

test("the task is the widest that the data has labels for, and is told", async () => {
  const scenes = `${temporaryDirectory()}/scenes`;
  await writeScenes(scenes, 5);
  expect(await opened(scenes)).toEqual({
    task: "panoptic",
    said:
      "Task panoptic, the widest that the data has labels for (panoptic, instance, semantic); --task chooses " +
      "another",
  });
  const asked = await opened(scenes, "data.task=instance");
  expect(asked).toEqual({ task: "instance", said: expect.stringContaining("sample-scenes train, instance") });
});

test("data with one kind of labels is for their task", async () => {
  const folder = dataFolder(temporaryDirectory());
  for (const split of ["train", "val"]) {
    await folder.photo(`${split}/a.jpg`, 4, 2, {});
    folder.labels(`${split}_maps/a.png`, [
      [0, 0, 1, 1],
      [0, 0, 1, 1],
    ]);
  }
  folder.text("data.yaml", "classes: [sky, ground]\ntrain: { images: train, semantic: train_maps }\n");
  expect(await opened(folder.root)).toEqual({
    task: "semantic",
    said: "Task semantic, the widest that the data has labels for",
  });
});

test("a task that only some of the splits have labels for comes after one that all have", () => {
  const held: Record<string, Task[]> = { train: ["semantic", "instance", "panoptic"], val: ["semantic", "instance"] };
  const dataSet = { tasks: (split: string) => held[split] ?? [] };
  expect(widestTask(dataSet, ["train"])).toBe("panoptic");
  expect(widestTask(dataSet, ["train", "val"])).toBe("instance");
  expect(widestTask(dataSet, ["train", "unlabelled"])).toBe("panoptic");
  expect(widestTask(dataSet, ["unlabelled"])).toBeUndefined();
  expect(widestTask(dataSet, [])).toBeUndefined();
});
