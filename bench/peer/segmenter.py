"""What the families have in common: backbone, pixel decoder, predictor, and what they are trained with."""

from typing import NamedTuple

import torch
from torch import nn


class Prediction(NamedTuple):
    logits: torch.Tensor  # [B,Q,classes+1], the last class is "no object"
    masks: torch.Tensor  # logits at stride 4, [B,Q,H/4,W/4]


class Target(NamedTuple):
    labels: torch.Tensor  # [N]
    masks: torch.Tensor  # of the padded image, [N,H,W], floating point


class Batch(NamedTuple):
    images: torch.Tensor  # [B,3,H,W], normalised, H and W divisible by 32
    targets: list  # a Target per image
    tasks: list = None  # of OneFormer: the name of each image's task
    texts: torch.Tensor = None  # of OneFormer: token numbers, [B,Q-context,length]


class Segmenter(nn.Module):
    claimed = True  # whether the pixels of a panoptic segment have to be at 0.5 or more in its own mask

    def __init__(self, backbone, pixel_decoder, predictor):
        super().__init__()
        self.backbone = backbone
        self.sem_seg_head = nn.ModuleDict({"pixel_decoder": pixel_decoder, "predictor": predictor})

    @property
    def predictor(self):
        return self.sem_seg_head["predictor"]

    def features(self, images):
        """-> (what the predictor attends to, mask features [B,C,H/4,W/4])"""
        return self.sem_seg_head["pixel_decoder"](self.backbone(images))

    def forward(self, images):
        """-> Predictions, the last is the output"""
        return self.predictor(*self.features(images))

    def losses(self, batch, criterion):
        """-> losses by name, without their weights"""
        return criterion(self(batch.images), batch.targets)

    def batch(self, tensors):
        """The Batch of a file: a data loader's work"""
        images = tensors["images"]
        targets = [Target(tensors[f"labels/{i}"], tensors[f"masks/{i}"].float()) for i in range(len(images))]
        return Batch(images, targets)

    def for_inference(self):
        """The same without what training alone needs"""
        return self.eval()
