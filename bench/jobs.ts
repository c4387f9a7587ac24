/** @file The jobs by name. */

import { finetuneStep } from "./finetune-step.js";
import { inference } from "./inference.js";
import type { Job, JobName } from "./job.js";
import { pretrainStep } from "./pretrain-step.js";

export const JOBS: Readonly<Record<JobName, Job>> = { pretrain: pretrainStep, finetune: finetuneStep, inference };
