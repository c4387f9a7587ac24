"""MP-Former: Mask2Former whose queries have no position, trained together with pilots; they are gone in inference."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from mask2former import Mask2Former, MaskedDecoder
from segmenter import Prediction

GROUPS = 1
LABEL_NOISE = 0.2  # share of the pilots that are made of a random class; their masks have no noise


class Pilots(NamedTuple):
    """S queries made of the objects of the images, group by group; an image with fewer objects leaves some empty."""

    content: torch.Tensor  # [B,S,C]
    blocked: list  # what they do not see of each map, [B,S,h*w]
    pairs: list  # (pilots, objects) of each image


class PilotedDecoder(MaskedDecoder):
    learned = ("query_feat",)

    def __init__(self, classes, queries=100, dim=256, layers=9, hidden=2048, heads=8):
        super().__init__(classes, queries, dim, layers, hidden, heads)
        self.label_enc = nn.Embedding(classes, dim)

    def pilots(self, targets, sizes, draw):
        """For maps of these sizes; draw(n, 2): two numbers per pilot of an image, whether it changes its class, and to
        which"""
        room = max(len(target.labels) for target in targets)
        starts = room * torch.arange(GROUPS)[:, None]
        pairs, contents = [], []
        for labels, _ in targets:
            objects = torch.arange(len(labels))
            pairs.append(((starts + objects).flatten(), objects.repeat(GROUPS)))
            chance, choice = draw(GROUPS * len(labels), 2).unbind(-1)
            changed = (choice * self.label_enc.num_embeddings).long()
            content = self.label_enc(torch.where(chance < LABEL_NOISE, changed, labels.repeat(GROUPS)))
            contents.append(F.pad(content.view(GROUPS, len(labels), -1), (0, 0, 0, room - len(labels))).flatten(0, 1))
        blocked = [torch.stack([untouched(t.masks, size, room) for t in targets]) for size in sizes]
        return Pilots(torch.stack(contents), blocked, pairs)

    def forward(self, maps, mask_features, pilots=None):
        content = self.query_feat.weight.expand(len(mask_features), -1, -1)
        if pilots is None:
            return self.decode(maps, mask_features, content, None)
        apart = separation(pilots.content.shape[1], content.shape[1])
        content = torch.cat((pilots.content, content), dim=1)
        return self.decode(maps, mask_features, content, None, pilots.blocked, apart)


def untouched(masks, size, room):
    """[GROUPS*room,h*w]: true where an object has no pixel in a cell, and for pilots without an object"""
    cells = F.interpolate(masks[None], size=size, mode="area")[0].flatten(1) <= 1e-8
    return F.pad(cells, (0, 0, 0, room - len(cells)), value=True).repeat(GROUPS, 1)


def separation(pilots, queries):
    """[S+Q,S+Q]: pilots see their own group and all other queries, which see no pilots"""
    group = torch.arange(pilots) // max(1, pilots // GROUPS)
    apart = torch.zeros(pilots + queries, pilots + queries, dtype=torch.bool)
    apart[pilots:, :pilots] = True
    apart[:pilots, :pilots] = group[:, None] != group
    return apart


class MpFormer(Mask2Former):
    decoder = PilotedDecoder

    def losses(self, batch, criterion):
        maps, mask_features = self.features(batch.images)
        pilots = self.predictor.pilots(batch.targets, [m.shape[-2:] for m in maps], criterion.draw)
        predictions = self.predictor(maps, mask_features, pilots)
        first = pilots.content.shape[1]
        of_pilots = [Prediction(logits[:, :first], masks[:, :first]) for logits, masks in predictions]
        others = [Prediction(logits[:, first:], masks[:, first:]) for logits, masks in predictions]
        return {
            **criterion(others, batch.targets),
            **criterion(of_pilots, batch.targets, pilots.pairs, "_dn"),
        }

    def for_inference(self):
        del self.predictor.label_enc
        return super().for_inference()
