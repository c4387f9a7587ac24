"""Inference on one image as the families do it: resize, network, panoptic segmentation at the image's own size."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
DIVISOR = 32


class Segment(NamedTuple):
    id: int  # its value in the map
    label: int
    score: float


def test_size(height, width, short_edge, long_edge):
    """The shorter side becomes short_edge, unless the longer one would exceed long_edge"""
    scale = short_edge / min(height, width)
    scale = min(scale, long_edge / max(height, width))
    return int(height * scale + 0.5), int(width * scale + 0.5)


def network_input(image, size):
    """image [h,w,3] uint8 -> [1,3,H,W] of that size, normalised, then padded with 0 to multiples of 32"""
    height, width = size
    resized = np.asarray(Image.fromarray(image).resize((width, height), Image.BILINEAR))
    pixels = torch.from_numpy(resized.astype(np.float32)).permute(2, 0, 1)
    normalised = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    return F.pad(normalised, (0, -width % DIVISOR, 0, -height % DIVISOR))[None]


def resize(masks, size):
    return F.interpolate(masks[None], size=size, mode="bilinear", align_corners=False)[0]


def panoptic_map(logits, masks, things, object_threshold, overlap_threshold, claimed=True):
    """logits [Q,K+1], masks [Q,h,w] at the image's own size; labels below `things` are things; claimed: whether pixels
    of a segment have to be at 0.5 or more in its own mask
    -> ids [h,w], 0 is void, and the Segments"""
    scores, labels = logits.softmax(-1).max(-1)
    kept = (labels != logits.shape[-1] - 1) & (scores > object_threshold)
    scores, labels, masks = scores[kept], labels[kept], masks.sigmoid()[kept]
    ids = torch.zeros(masks.shape[-2:], dtype=torch.int32)
    segments, stuff = [], {}
    if not len(masks):
        return ids, segments
    owner = (scores[:, None, None] * masks).argmax(0)
    for k, (score, label) in enumerate(zip(scores.tolist(), labels.tolist())):
        owned, inside = owner == k, masks[k] >= 0.5
        visible = owned & inside if claimed else owned
        owned_area, area = owned.sum().item(), inside.sum().item()
        if not (owned_area and area and visible.any()) or owned_area / area < overlap_threshold:
            continue
        if label in stuff:
            ids[visible] = stuff[label]
            continue
        segments.append(Segment(len(segments) + 1, label, score))
        ids[visible] = segments[-1].id
        if label >= things:
            stuff[label] = segments[-1].id
    return ids, segments


@torch.no_grad()
def predict(model, image, things, short_edge, long_edge, overlap_threshold):
    """-> ids [h,w] and Segments of the image [h,w,3] uint8"""
    height, width = test_size(*image.shape[:2], short_edge, long_edge)
    batch = network_input(image, (height, width))
    prediction = model(batch)[-1]
    masks = resize(prediction.masks[0], batch.shape[-2:])[:, :height, :width]
    masks = resize(masks, image.shape[:2])
    return panoptic_map(prediction.logits[0], masks, things, 0.8, overlap_threshold, model.claimed)
