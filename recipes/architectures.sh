#!/usr/bin/env bash
# The paper's claim on architectures in small (Table 1): Mask2Former, MaskFormer, MP-Former and OneFormer, fine-tuned on generated
# scenes from random weights and from one and the same Mask-JEPA pretraining of a Mask2Former; PQ, AP of things and mIoU of each,
# seed by seed, with means, standard errors and the differences that pretraining makes. About an hour and a half on two cores.
#
#   recipes/architectures.sh [OUT]        OUT: folder of the scenes, all runs and the table (default: runs/architectures)
#
# STEPS (of a fine-tuning), PRETRAIN_STEPS, SEEDS (e.g. 0,1,2), IMAGES and SIZE of the scenes, JOBS (runs at once) may be set.
# Runs that have ended are not run again, those that were cut off go on. It takes a checkout of the project: npm run study.
set -euo pipefail
mkdir -p "${1:-runs/architectures}"
out=$(realpath "${1:-runs/architectures}")
cd "$(dirname "$0")/.."
if [ ! -d study ]; then
  echo "error: recipes/architectures.sh takes a checkout of mask-jepa with its study/, found $PWD without." >&2
  exit 1
fi
if [ ! -d "$out/scenes" ]; then
  node bin/mask-jepa.js sample-data "$out/scenes" --images "${IMAGES:-160}" --size "${SIZE:-160}"
fi
echo "run: { steps: ${PRETRAIN_STEPS:-400}, keep: 1 }" > "$out/pretrain.yaml"
echo "run: { steps: ${STEPS:-400}, evaluateEvery: 0, keep: 1 }" > "$out/finetune.yaml"
npm run --silent study -- table1 --images "$out/scenes/images/train" --data "$out/scenes" --out "$out" \
  --pretrain-preset tiny --pretrain-config "$out/pretrain.yaml" \
  --finetune-preset scenes --finetune-config "$out/finetune.yaml" \
  --seeds "${SEEDS:-0,1,2}" ${JOBS:+--jobs "$JOBS"}
