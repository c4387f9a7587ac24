"""Mask2Former with masked attention and prediction heads, under the parameter names of its checkpoints."""

import torch
import torch.nn.functional as F
from torch import nn

from backbone import BACKBONES
from perceptron import Perceptron
from pixel_decoder import PixelDecoder
from position import sine_position, tokens
from segmenter import Prediction, Segmenter
from transformer_decoder import TransformerDecoder


class MaskedDecoder(TransformerDecoder):
    """Every layer looks at one level of the pyramid, and there only where the prediction before it sees its object."""

    learned = ("query_feat", "query_embed")  # contents and positions that the queries begin with

    def __init__(self, classes, queries=100, dim=256, layers=9, hidden=2048, heads=8):
        super().__init__(dim, layers, hidden, heads)
        self.heads = heads
        for name in self.learned:
            self.add_module(name, nn.Embedding(queries, dim))
        self.class_embed = nn.Linear(dim, classes + 1)
        self.mask_embed = Perceptron(dim, dim, dim, dim)

    def predict(self, x, mask_features):
        x = self.decoder_norm(x)
        masks = torch.einsum("bqc,bchw->bqhw", self.mask_embed(x), mask_features)
        return Prediction(self.class_embed(x), masks)

    @torch.no_grad()
    def blocked(self, masks, size, given=None):
        """[B*heads,Q,h*w]; a query that would see nothing sees everything.

        given [B,S,h*w]: what the first S queries do not see, whatever they predict
        """
        first = 0 if given is None else given.shape[1]
        resized = F.interpolate(masks[:, first:], size=size, mode="bilinear", align_corners=False)
        blocked = resized.flatten(2).sigmoid() < 0.5
        if given is not None:
            blocked = torch.cat((given, blocked), dim=1)
        blocked &= ~blocked.all(dim=-1, keepdim=True)
        return blocked.repeat_interleave(self.heads, dim=0)

    def decode(self, maps, mask_features, x, position, given=None, apart=None):
        """Queries x [B,Q,C] and their positions; given: what the first of them do not see, of each map; apart [Q,Q]:
        true where a query does not see another"""
        sizes = [m.shape[-2:] for m in maps]
        values = [tokens(m) + level for m, level in zip(maps, self.level_embed.weight)]
        keys = [v + sine_position(h, w, v.shape[2], v.dtype) for v, (h, w) in zip(values, sizes)]
        predictions = [self.predict(x, mask_features)]
        for i, (cross, self_, feed_forward) in enumerate(self.layers()):
            level = i % len(maps)
            blocked = self.blocked(predictions[-1].masks, sizes[level], given and given[level])
            x = cross(x, position, keys[level], values[level], blocked)
            x = feed_forward(self_(x, position, apart))
            predictions.append(self.predict(x, mask_features))
        return predictions

    def forward(self, maps, mask_features):
        """maps at strides 32, 16, 8 -> one Prediction per layer after the queries' own; the last is the output"""
        content = self.query_feat.weight.expand(len(mask_features), -1, -1)
        return self.decode(maps, mask_features, content, self.query_embed.weight)


class Mask2Former(Segmenter):
    decoder = MaskedDecoder

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
        maps = BACKBONES[backbone]()
        super().__init__(
            maps,
            PixelDecoder(maps.channels, dim, encoder_layers, encoder_hidden, heads),
            self.decoder(classes, queries, dim, decoder_layers, decoder_hidden, heads),
        )
