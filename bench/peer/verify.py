"""Compares this peer's Mask2Former and Swin Transformer with golden numbers of the authors' code.

`verify.py GOLDEN` takes a folder of cases, each a manifest.json with a tensors.safetensors: weights and inputs are
fills (fill.py), results are strided samples. A result may differ by 1e-6 of the tensor's largest value, or by 20 times
what the authors' own run differs between float32 and float64.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from criterion import Criterion
from fill import fill
from finetune import Finetuning
from mask2former import Mask2Former, MaskedDecoder
from panoptic import DIVISOR, MEAN, STD, panoptic_map, resize
from segmenter import Batch, Prediction, Target
from swin import Swin
from tensor_file import read_tensors

BACKBONES = ("02_swin_tiny_64x96", "02_swin_tiny_72x104", "02_swin_tiny_70x101_patchpad")
DECODERS = ("05_transformer_decoder_small", "05_transformer_decoder_fullmask", "05_transformer_decoder_full")
CRITERIA = tuple(f"06_criterion{variant}" for variant in ("", "_all_empty", "_empty_image", "_more_gt_than_queries"))
STEP = "07_full_mask2former_r50"
PANOPTIC = ("08_postprocess_panoptic", "08_postprocess_resized", "08_postprocess_nothing_kept")

# Parts of the names of results that this peer does not compute.
OMITTED = ("attn_mask_blocked_count", "param_delta_abs_sum", "sem_seg", "instances/", "panoptic_area")


class Case:
    def __init__(self, folder):
        self.name = folder.name
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.hyper = self.manifest["hyper"]
        self.stored = read_tensors(folder / "tensors.safetensors")
        self.outputs = {entry["name"]: entry for entry in self.manifest["outputs"]}
        self.inputs = {entry["name"]: entry for entry in self.manifest["inputs"]}
        self.random = itertools.count()
        self.compared, self.worst, self.failures = set(), 0.0, []

    def fill(self, name, shape, base=0.0, amp=1.0):
        return torch.from_numpy(fill(self.manifest["fill_prefix"] + name, shape, base, amp))

    def input(self, name):
        entry = self.inputs[name]
        return self.fill(name, entry["shape"], entry["base"], entry["amp"])

    def values(self, name):
        return self.inputs[name]["values"]

    def load(self, module):
        entries = [entry for entry in self.manifest["tensors"] if not entry.get("computed")]
        module.load_state_dict({e["name"]: self.fill(e["name"], e["shape"], e["base"], e["amp"]) for e in entries})

    def draw(self, *shape):
        return self.fill(f"rand/{next(self.random)}", shape, 0.5, 0.5)

    def targets(self, name):
        """-> (labels, masks [N,h,w]) of every image"""
        values = self.values(name)
        size = (values["height"], values["width"])
        return [
            (torch.tensor([o["label"] for o in image], dtype=torch.long), drawn([o["mask"] for o in image], size))
            for image in values["images"]
        ]

    def compare(self, name, value):
        """A result that the case does not store is none to compare."""
        entry = self.outputs.get(name)
        if entry is None:
            return
        found = torch.as_tensor(value).detach().flatten()[:: entry["stride"]].double().numpy()
        expected = self.stored[name].flatten().astype(np.float64)
        scale = max(abs(entry.get("min", 0)), abs(entry.get("max", 0)))
        noise = max(entry["alt_max_abs_diff"], entry["f64_max_abs_diff"])
        tolerance = 0 if entry["dtype"] == "i64" else max(1e-6 * scale, 20 * noise)
        difference = np.abs(found - expected).max(initial=0) if found.shape == expected.shape else np.inf
        self.compared.add(name)
        self.worst = max(self.worst, difference / tolerance if tolerance else difference)
        if not difference <= tolerance:
            self.failures.append(f"{name}: differs by {difference:.3g}, allowed {tolerance:.3g}")

    def report(self):
        print(f"{self.name}: {len(self.compared)} results, the worst at {100 * self.worst:.0f} % of its tolerance")
        forgotten = [n for n in self.outputs if n not in self.compared and not any(o in n for o in OMITTED)]
        self.failures += [f"{name}: not compared" for name in forgotten]
        for failure in self.failures:
            print(f"  {failure}")
        return not self.failures


def drawn(objects, size):
    """Masks [N,h,w] of unions of rectangles [y0,x0,y1,x1] and ellipses [cy,cx,ry,rx]"""
    y, x = np.mgrid[: size[0], : size[1]]
    masks = np.zeros((len(objects), *size), np.float32)
    for mask, shapes in zip(masks, objects):
        for shape in shapes:
            if "rect" in shape:
                y0, x0, y1, x1 = shape["rect"]
                mask[y0:y1, x0:x1] = 1
            else:
                cy, cx, ry, rx = shape["ellipse"]
                mask[((y - cy) * rx) ** 2 + ((x - cx) * ry) ** 2 <= (ry * rx) ** 2] = 1
    return torch.from_numpy(masks)


def official(index, last):
    """Where the authors keep the prediction of that index"""
    return "" if index == last else f"aux_outputs.{index}."


def verify_backbone(case):
    backbone = Swin("T", case.hyper["drop_path_rate"])
    case.load(backbone)
    image = case.input("input").requires_grad_()
    maps = backbone(image)
    for name, value in maps.items():
        case.compare(name, value)
    if "L_over" not in case.hyper:
        return
    loss = sum((maps[name] * case.fill(f"loss_weight/{name}", maps[name].shape)).sum() for name in case.hyper["L_over"])
    loss.backward()
    case.compare("L", loss)
    for name, tensor in (*backbone.named_parameters(), ("input", image)):
        case.compare(f"grad/{name}", tensor.grad)


def verify_decoder(case):
    hyper = case.hyper
    decoder = MaskedDecoder(
        hyper["num_classes"],
        hyper["num_queries"],
        hyper["hidden_dim"],
        hyper["dec_layers"],
        hyper["dim_feedforward"],
        hyper["nheads"],
    )
    case.load(decoder)
    names = ["x.0", "x.1", "x.2", "mask_features"]
    *maps, mask_features = inputs = [case.input(name).requires_grad_() for name in names]
    predictions = decoder(maps, mask_features)
    results = {}
    for index, prediction in enumerate(predictions):
        prefix = official(index, len(predictions) - 1)
        results.update({f"{prefix}pred_logits": prediction.logits, f"{prefix}pred_masks": prediction.masks})
    if "L_over" in hyper:
        loss = sum((results[n] * case.fill(f"loss_weight/{n}", results[n].shape)).sum() for n in hyper["L_over"])
        loss.backward()
        case.compare("L", loss)
        for name, tensor in (*decoder.named_parameters(), *zip(names, inputs)):
            case.compare(f"grad/{name}", tensor.grad)
    for name, value in results.items():
        case.compare(name, value)


def verify_criterion(case):
    outputs = sum(name.endswith("pred_masks") for name in case.inputs)
    predictions = []
    for index in range(outputs):
        prefix = official(index, outputs - 1)
        given = [case.input(f"{prefix}{part}").requires_grad_() for part in ("pred_logits", "pred_masks")]
        predictions.append(Prediction(*given))
    targets = [Target(*target) for target in case.targets("targets")]
    criterion = RecordingCriterion(case, outputs)
    losses = criterion(predictions, targets)
    total = criterion.total(losses)
    total.backward()
    case.compare("loss/total_weighted", total)
    for name, loss in losses.items():
        case.compare(f"loss/{name}", loss)
    for index, prediction in enumerate(predictions):
        prefix = official(index, outputs - 1)
        for part, tensor in zip(("pred_logits", "pred_masks"), prediction):
            case.compare(f"grad/{prefix}{part}", torch.zeros_like(tensor) if tensor.grad is None else tensor.grad)


class RecordingCriterion(Criterion):
    """Compares every matching with the case's, under `prefix`."""

    def __init__(self, case, outputs, prefix="", images=2):
        hyper = {**case.hyper, **case.hyper.get("config", {})}
        super().__init__(
            hyper.get("num_classes", hyper.get("NUM_CLASSES")),
            hyper.get("num_points", hyper.get("TRAIN_NUM_POINTS")),
            draw=case.draw,
        )
        self.case = case
        order = ["final", *(f"aux{index}" for index in range(outputs - 1))]
        self.names = [f"{prefix}match/{output}/image{image}" for output in order for image in range(images)]

    def cost(self, *image):
        cost = super().cost(*image)
        self.case.compare(f"{self.names[0]}/cost", cost)
        return cost

    def match(self, *image):
        queries, matched = super().match(*image)
        name = self.names.pop(0)
        self.case.compare(f"{name}/pred", queries)
        self.case.compare(f"{name}/target", matched)
        return queries, matched


def padded_batch(images, targets):
    """Images 0..255 normalised, then both padded with zeros at the bottom and right"""
    sizes = [image.shape[1:] for image in images]
    height, width = (-(-max(side) // DIVISOR) * DIVISOR for side in zip(*sizes))
    pad = lambda x: nn.functional.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]))  # noqa: E731
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    padded = torch.stack([pad((image - mean) / std) for image in images])
    return Batch(padded, [Target(labels, pad(masks)) for labels, masks in targets])


def verify_step(case):
    config = case.hyper["config"]
    model = Mask2Former(
        config["NUM_CLASSES"],
        config["NUM_OBJECT_QUERIES"],
        config["HIDDEN_DIM"],
        config["NHEADS"],
        config["TRANSFORMER_ENC_LAYERS"],
        config["ENCODER_FFN"],
        config["DEC_LAYERS"] - 1,
        config["DIM_FEEDFORWARD"],
    )
    case.load(model)
    batch = padded_batch(
        [case.input(f"image.{i}") for i in range(2)], [case.targets(f"targets.{i}")[0] for i in range(2)]
    )
    with torch.no_grad():
        predictions = model(batch.images)
    last = len(predictions) - 1
    for index, prediction in enumerate(predictions):
        for part, tensor in zip(("pred_logits", "pred_masks"), prediction):
            case.compare(f"eval/{official(index, last)}{part}", tensor)
    training = Finetuning(model, None, config["BASE_LR"], config["WEIGHT_DECAY"], config["CLIP_FULL_MODEL_NORM"])
    compare_groups(case, model, training.optimizer)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    for step in range(case.hyper["steps"]):
        training.criterion = criterion = RecordingCriterion(case, last + 1, f"step{step}/")
        losses = training.step(batch) if step else first_step(case, training, batch)
        case.compare(f"step{step}/total_loss", criterion.total(losses))
        for name, loss in losses.items():
            case.compare(f"step{step}/weighted/{name}", criterion.weight(name) * loss)
        if step == 0:
            compare_parameters(case, model, start, "_step0")
    compare_parameters(case, model, start, f"_total_after_{case.hyper['steps']}_steps")


def first_step(case, training, batch):
    """Finetuning.step with a look at the gradients before they are clipped"""
    losses = training.backward(batch)
    for name, p in training.model.named_parameters():
        case.compare(f"grad/{name}", p.grad)
    norm = nn.utils.clip_grad_norm_(training.trained, training.clip)
    case.compare("grad_norm_before_clip", norm)
    training.optimizer.step()
    return losses


def compare_parameters(case, model, start, when):
    for name, p in model.named_parameters():
        case.compare(f"param_after{when}/{name}", p)
        case.compare(f"param_delta{when}/{name}", p.detach() - start[name])


def compare_groups(case, model, optimizer):
    settings = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    found = {name: settings[id(p)] for name, p in model.named_parameters()}
    expected = {g["name"]: (g["lr"], g["weight_decay"]) for g in case.manifest["optimizer_groups"]}
    if found.keys() != expected.keys() or any(not np.allclose(found[n], expected[n]) for n in found):
        case.failures.append("optimizer_groups differ")


def verify_panoptic(case):
    hyper = case.hyper
    logits, masks = case.input("class_noise"), case.input("mask_noise")
    for image, size in enumerate(hyper["image_sizes"]):
        hot, boost = (torch.tensor(case.values(name)[image]) for name in ("class_hot", "class_boost"))
        logits[image, torch.arange(len(hot)), hot] += boost
        masks[image] += 8 * drawn(case.values("mask_shapes")[image], masks.shape[-2:])
        enlarged = resize(masks[image], hyper["padded_size"])[:, : size[0], : size[1]]
        ids, segments = panoptic_map(
            logits[image],
            resize(enlarged, hyper["output_sizes"][image]),
            len(hyper["thing_classes"]),
            hyper["object_mask_threshold"],
            hyper["overlap_threshold"],
        )
        case.compare(f"image{image}/panoptic_seg", ids)
        found = [(s.id, s.label) for s in segments]
        expected = [(s["id"], s["category_id"]) for s in case.manifest["segments_info"][f"image{image}"]]
        if found != expected:
            case.failures.append(f"image{image}: segments {found}, expected {expected}")


def main(golden):
    checks = [
        *((name, verify_backbone) for name in BACKBONES),
        *((name, verify_decoder) for name in DECODERS),
        *((name, verify_criterion) for name in CRITERIA),
        (STEP, verify_step),
        *((name, verify_panoptic) for name in PANOPTIC),
    ]
    passed = []
    for name, verify in checks:
        case = Case(Path(golden) / name)
        verify(case)
        passed.append(case.report())
    return 0 if all(passed) else 1


if __name__ == "__main__":
    torch.set_num_threads(2)
    sys.exit(main(sys.argv[1]))
