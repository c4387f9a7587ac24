/** @file The public API: what the command line does, and the parts to build other things from. */

export { describeReport, type LoadedWeights, loadWeights, type WeightsReport } from "./checkpoint/load-weights.js";
export { loadCheckpoint, saveCheckpoint } from "./checkpoint/run-state.js";
export { openSafetensors, readSafetensors, writeSafetensors } from "./checkpoint/safetensors.js";
export { saveWeights } from "./checkpoint/save-weights.js";
export { InputError, ShapeError } from "./core/errors.js";
export type { Image, Region, Size } from "./core/image.js";
export { RandomStream } from "./core/random.js";
export { type FinishedStep, type Reporter, SILENT, type Steps, type Task } from "./core/reporter.js";
export type { DType, Shape, TensorData } from "./core/tensor-data.js";
export { checkData, type DataReport } from "./data/check/check-data.js";
export { openDataSet, openLabelledSource } from "./data/datasets/open-data.js";
export { labelledSubset, parseLabelShare, trainableImages } from "./data/datasets/subset.js";
export { folderSource } from "./data/files/folder-source.js";
export { createLabelledLoader, type LabelledBatch } from "./data/labelled-loader.js";
export type { LabelledSource } from "./data/labelled-source.js";
export { largeScaleJitterView, shortestEdgeView } from "./data/labelled-view.js";
export { createLoader } from "./data/loader.js";
export type { ImageSource } from "./data/source.js";
export { averagePrecision } from "./eval/average-precision.js";
export { cityscapesAp } from "./eval/cityscapes-ap.js";
export { cityscapesIou } from "./eval/cityscapes-iou.js";
export { panopticQuality } from "./eval/panoptic-quality.js";
export type { ClassScores, Score, Scores } from "./eval/scores.js";
export { semanticIou } from "./eval/semantic-iou.js";
export { type EvaluationOptions, evaluate } from "./evaluate/evaluate.js";
export { type EvaluatedModel, evaluateModels } from "./evaluate/evaluate-models.js";
export type { EvaluatedClass, Evaluation, ImageScore, Predict } from "./evaluate/evaluation.js";
export { runEvaluation } from "./evaluate/run.js";
export { type Architecture, type FamilyName, familyOf } from "./families/families.js";
export { answerOf, type Family, type PredictionGroup, segment } from "./families/family.js";
export { createFinetuner, describeModel, trainingView } from "./finetune/composition.js";
export { Finetuner } from "./finetune/finetuner.js";
export { PRESETS as FINETUNE_PRESETS } from "./finetune/presets.js";
export { runFinetuning } from "./finetune/run.js";
export type { FinetuneSettings } from "./finetune/settings.js";
export { resolveSettings as resolveFinetuneSettings } from "./finetune/settings-resolution.js";
export * as ops from "./graph/build.js";
export { gradients, recompute, vectorJacobian, withGradient } from "./graph/differentiate.js";
export { Graph, type Tensor } from "./graph/graph.js";
export { interpret } from "./graph/interpret.js";
export { printGraph } from "./graph/print.js";
export { splitAtGradients } from "./graph/split.js";
export { verify } from "./graph/verify.js";
export { decode as decodeImage, encodeJpeg, encodePng, imageDecoder, readImage } from "./io/image-file.js";
export { type CocoMask, fromCocoMask, toCocoMask } from "./masks/coco-masks.js";
export { encodePolygons } from "./masks/polygons.js";
export { decodeMask, encodeMask, encodeSegments, type RunLengths } from "./masks/run-lengths.js";
export type { InstanceSet, PanopticMap, ScoredInstance, SegmentationClass, SemanticMap } from "./masks/segmentation.js";
export { backbone } from "./models/backbone.js";
export { pixelDecoder } from "./models/pixel-decoder.js";
export { resnet } from "./models/resnet.js";
export { swin } from "./models/swin.js";
export { transformerDecoder } from "./models/transformer-decoder.js";
export * as layers from "./nn/layers.js";
export { asConstants, asInputs, Parameters, type Scope } from "./nn/scope.js";
export { toOnnx } from "./onnx/emit.js";
export { encodeModel } from "./onnx/protobuf.js";
export { groupByPaddedSize, type Prediction, Predictor } from "./predict/predictor.js";
export {
  loadTrainedModel,
  type ModelDescription,
  saveTrainedModel,
  type TrainedModel,
} from "./predict/trained-model.js";
export { createPretrainer } from "./pretrain/composition.js";
export { PRESET_NAMES, PRESETS } from "./pretrain/presets.js";
export { Pretrainer } from "./pretrain/pretrainer.js";
export { runPretraining } from "./pretrain/run.js";
export type { PretrainSettings } from "./pretrain/settings.js";
export { resolveSettings } from "./pretrain/settings-resolution.js";
export type { Device, DeviceTensor, Program, Runtime } from "./runtime/contract.js";
export { createRuntime } from "./runtime/create-runtime.js";
export { writeSampleData } from "./sample-data/write-sample-data.js";
export { runVisualization } from "./visualize/visualize.js";
