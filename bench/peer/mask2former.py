"""Mask2Former with masked attention and prediction heads, under the parameter names of its checkpoints."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from backbone import BACKBONES
from pixel_decoder import PixelDecoder
from position import sine_position
from transformer_decoder import TransformerDecoder


class Prediction(NamedTuple):
    logits: torch.Tensor  # [B,Q,classes+1], the last class is "no object"
    masks: torch.Tensor  # logits at stride 4, [B,Q,H/4,W/4]


class MaskEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(3))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x), inplace=True)
        return self.layers[-1](x)


class MaskedDecoder(TransformerDecoder):
    """Every layer looks at one level of the pyramid, and there only where the prediction before it sees its object."""

    def __init__(self, classes, queries=100, dim=256, layers=9, hidden=2048, heads=8):
        super().__init__(dim, layers, hidden, heads)
        self.heads = heads
        self.query_feat = nn.Embedding(queries, dim)
        self.query_embed = nn.Embedding(queries, dim)
        self.class_embed = nn.Linear(dim, classes + 1)
        self.mask_embed = MaskEmbedding(dim)

    def predict(self, x, mask_features):
        x = self.decoder_norm(x)
        masks = torch.einsum("bqc,bchw->bqhw", self.mask_embed(x), mask_features)
        return Prediction(self.class_embed(x), masks)

    @torch.no_grad()
    def blocked(self, masks, size):
        """[B*heads,Q,h*w]; a query that would see nothing sees everything"""
        resized = F.interpolate(masks, size=size, mode="bilinear", align_corners=False)
        blocked = resized.flatten(2).sigmoid() < 0.5
        blocked &= ~blocked.all(dim=-1, keepdim=True)
        return blocked.repeat_interleave(self.heads, dim=0)

    def forward(self, maps, mask_features):
        """maps at strides 32, 16, 8 -> one Prediction per layer after the queries' own; the last is the output"""
        sizes = [m.shape[-2:] for m in maps]
        values = [m.flatten(2).transpose(1, 2) + level for m, level in zip(maps, self.level_embed.weight)]
        keys = [v + sine_position(h, w, v.shape[2], v.dtype) for v, (h, w) in zip(values, sizes)]
        x = self.query_feat.weight.expand(len(mask_features), -1, -1)
        position = self.query_embed.weight
        predictions = [self.predict(x, mask_features)]
        for i, (cross, self_, feed_forward) in enumerate(self.layers()):
            level = i % len(maps)
            blocked = self.blocked(predictions[-1].masks, sizes[level])
            x = cross(x, position, keys[level], values[level], blocked)
            x = feed_forward(self_(x, position))
            predictions.append(self.predict(x, mask_features))
        return predictions


class Mask2Former(nn.Module):
    def __init__(
        self,
        classes,
        queries=100,
        dim=256,
        heads=8,
        encoder_layers=6,
        encoder_hidden=1024,
        decoder_layers=9,
        decoder_hidden=2048,
        backbone="resnet50",
    ):
        super().__init__()
        self.backbone = BACKBONES[backbone]()
        self.sem_seg_head = nn.ModuleDict(
            {
                "pixel_decoder": PixelDecoder(self.backbone.channels, dim, encoder_layers, encoder_hidden, heads),
                "predictor": MaskedDecoder(classes, queries, dim, decoder_layers, decoder_hidden, heads),
            }
        )

    def forward(self, images):
        """images [B,3,H,W], normalised, H and W divisible by 32 -> Predictions, the last is the output"""
        maps, mask_features = self.sem_seg_head["pixel_decoder"](self.backbone(images))
        return self.sem_seg_head["predictor"](maps, mask_features)
