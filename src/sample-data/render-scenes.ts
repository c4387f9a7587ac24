/** @file Many scenes, rendered on several cores. */

import { Worker } from "node:worker_threads";
import { inOrder } from "../core/concurrency.js";
import { range } from "../core/range.js";
import { type RenderedScene, renderScene } from "./render.js";

export interface SceneSet {
  readonly seed: number;
  /** Side of the images in pixels. */
  readonly size: number;
}

/** Scenes that each core is ahead of the one that is waited for. */
const AHEAD = 3;

/** One thread; it renders what it is asked for one after the other. */
interface Lane {
  render(index: number): Promise<RenderedScene>;
  close(): Promise<unknown>;
}

function openLane(set: SceneSet): Lane {
  const worker = new Worker(new URL("./render-worker.js", import.meta.url), { workerData: set });
  const asked: { resolve: (scene: RenderedScene) => void; reject: (error: Error) => void }[] = [];
  worker.on("message", (scene: RenderedScene) => asked.shift()?.resolve(scene));
  worker.on("error", (error) => {
    for (const { reject } of asked.splice(0)) reject(error);
  });
  return {
    render: (index) =>
      new Promise((resolve, reject) => {
        asked.push({ resolve, reject });
        worker.postMessage(index);
      }),
    close: () => worker.terminate(),
  };
}

/** A thread needs a file of JavaScript: sources that are run without a build are rendered here. */
const canUseThreads = import.meta.url.endsWith(".js");

/** The first `count` scenes of a set in their order. They are the same on any number of cores. */
export async function* renderScenes(set: SceneSet, count: number, cores: number): AsyncGenerator<RenderedScene> {
  const threads = Math.min(cores, count);
  if (threads < 2 || !canUseThreads) {
    for (let index = 0; index < count; index++) yield renderScene(set.seed, index, set.size);
    return;
  }
  const lanes = Array.from({ length: threads }, () => openLane(set));
  const render = (index: number) => lanes[index % threads].render(index);
  try {
    for await (const { result } of inOrder(range(count), AHEAD * threads, render)) yield result;
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}
