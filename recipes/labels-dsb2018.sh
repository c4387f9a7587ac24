#!/usr/bin/env bash
# The paper's claim in small (Table 4): DSB 2018 instances with 10 % and 100 % of the labels, from random weights and from
# Mask-JEPA pretraining on the unlabelled training images; the same budget for both, three seeds. Both kinds of training see
# the images at about twice their size; small batches, because at this budget the number of steps counts.
#
#   recipes/labels-dsb2018.sh DIR OUT        DIR: images/, instances_train.json, instances_val.json
#
# STEPS, PRETRAIN_STEPS, SEEDS and CORES may be set. Runs that are there already go on where they stopped, so that two
# copies with half of the SEEDS and CORES=1 each may share OUT.
set -euo pipefail
data=$(realpath "$1") out=$2
here=$(realpath "$(dirname "$0")/..")
mkdir -p "$out/train"
# The training images alone: the validation images lie in the same folder.
node -e '
  const { readFileSync, existsSync, symlinkSync } = require("node:fs");
  const [data, out] = process.argv.slice(1);
  for (const { file_name } of JSON.parse(readFileSync(`${data}/instances_train.json`)).images) {
    if (!existsSync(`${out}/${file_name}`)) symlinkSync(`${data}/images/${file_name}`, `${out}/${file_name}`);
  }' "$data" "$(realpath "$out/train")"

run() { # run COMMAND FOLDER ARGUMENTS...: begins it, goes on with it, or leaves it when it has ended
  local command=$1 folder=$2
  shift 2
  if [ -f "$folder/done" ]; then return; fi
  if [ -f "$folder/config.yaml" ]; then node "$here/bin/mask-jepa.js" "$command" --resume "$folder" --cores "${CORES:-0}"
  else node "$here/bin/mask-jepa.js" "$command" --out "$folder" --cores "${CORES:-0}" "$@"; fi
  touch "$folder/done"
}

for seed in ${SEEDS:-0 1 2}; do
  run pretrain "$out/pretrained-$seed" --images "$out/train" --preset tiny --seed "$seed" --steps "${PRETRAIN_STEPS:-1500}" \
    --set "data.cropScale=[0.05,0.12]" --set run.microBatch=2 --set model.norm=group --set run.monitorEvery=100 --set run.keep=1 \
    --set pretrain.denoising=true --set pretrain.denoiseTarget=image
  for labels in 10 100; do
    for start in random pretrained; do
      from=()
      if [ "$start" = pretrained ]; then from=(--from "$out/pretrained-$seed"); fi
      run finetune "$out/$start-$labels-$seed" --data "$here/recipes/data-dsb2018.yaml" --data-root "$data" --preset dsb2018 --labels "$labels%" \
        --seed "$seed" --set "data.labelsSeed=$seed" --steps "${STEPS:-700}" --batch 2 --set run.evaluateEvery=0 --set run.keep=1 "${from[@]}"
    done
  done
done

echo "AP on the validation images (percent), one number a seed:"
for labels in 10 100; do
  for start in random pretrained; do
    printf '%4s %% of the labels, %-10s' "$labels" "$start"
    for seed in ${SEEDS:-0 1 2}; do
      node -e 'const lines = require("node:fs").readFileSync(process.argv[1], "utf8").trim().split("\n").map(JSON.parse); process.stdout.write("  " + lines.findLast((line) => "val-ap" in line)["val-ap"].toFixed(1))' "$out/$start-$labels-$seed/metrics.jsonl"
    done
    echo
  done
done
