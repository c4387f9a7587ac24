/** @file A thread that renders the scenes whose numbers it is sent. */

import { parentPort, workerData } from "node:worker_threads";
import { renderScene } from "./render.js";
import type { SceneSet } from "./render-scenes.js";

const { seed, size } = workerData as SceneSet;
parentPort?.on("message", (index: number) => {
  const scene = renderScene(seed, index, size);
  parentPort?.postMessage(scene, [scene.image.data.buffer as ArrayBuffer, scene.segments.buffer as ArrayBuffer]);
});
