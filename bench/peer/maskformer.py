"""MaskFormer with both of its pixel decoders, under the parameter names of its checkpoints; nothing is dropped."""

import torch
import torch.nn.functional as F
from torch import nn

from backbone import BACKBONES
from detr import DecoderLayer, EncoderLayer, Layers
from perceptron import Perceptron
from pixel_decoder import ConvGroupNorm
from position import sine_position, tokens
from segmenter import Prediction, Segmenter


def convolution(inputs, outputs, kernel):
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_uniform_(layer.weight, a=1)
    nn.init.zeros_(layer.bias)
    return layer


class PyramidDecoder(nn.Module):
    """A feature pyramid; with encoder layers a transformer over res5 stands in front of it."""

    def __init__(self, channels, dim, encoder_layers, hidden, heads):
        super().__init__()
        for level, name in ((1, "res2"), (2, "res3"), (3, "res4")):
            self.add_module(f"adapter_{level}", ConvGroupNorm(channels[name], dim, 1))
            self.add_module(f"layer_{level}", ConvGroupNorm(dim, dim, 3))
        self.encodes = encoder_layers > 0
        if self.encodes:
            self.input_proj = convolution(channels["res5"], dim, 1)
            encoder = Layers(EncoderLayer(dim, hidden, heads) for _ in range(encoder_layers))
            self.transformer = nn.ModuleDict({"encoder": encoder})
        self.layer_4 = ConvGroupNorm(dim if self.encodes else channels["res5"], dim, 3)
        self.mask_features = convolution(dim, dim, 3)

    def encode(self, res5):
        x = self.input_proj(res5)
        position = sine_position(*x.shape[-2:], x.shape[1], x.dtype)
        y = tokens(x)
        for layer in self.transformer["encoder"].layers:
            y = layer(y, position)
        return y.transpose(1, 2).reshape(x.shape)

    def forward(self, features):
        """-> (the map that the queries see; mask features [B,C,H/4,W/4])"""
        memory = self.encode(features["res5"]) if self.encodes else features["res5"]
        y = F.relu(self.layer_4(memory))
        for level, name in ((3, "res4"), (2, "res3"), (1, "res2")):
            lateral = getattr(self, f"adapter_{level}")(features[name])
            y = lateral + F.interpolate(y, size=lateral.shape[-2:], mode="nearest")
            y = F.relu(getattr(self, f"layer_{level}")(y))
        return memory, self.mask_features(y)


class Predictor(nn.Module):
    def __init__(self, inputs, classes, queries, dim, layers, hidden, heads):
        super().__init__()
        decoder = Layers((DecoderLayer(dim, hidden, heads) for _ in range(layers)), nn.LayerNorm(dim))
        self.transformer = nn.ModuleDict({"decoder": decoder})
        self.query_embed = nn.Embedding(queries, dim)
        if inputs != dim:
            self.input_proj = convolution(inputs, dim, 1)
        self.class_embed = nn.Linear(dim, classes + 1)
        self.mask_embed = Perceptron(dim, dim, dim, dim)

    def forward(self, memory, mask_features):
        """-> one Prediction a layer; the last is the output"""
        if hasattr(self, "input_proj"):
            memory = self.input_proj(memory)
        value = tokens(memory)
        key = value + sine_position(*memory.shape[-2:], value.shape[2], value.dtype)
        position = self.query_embed.weight
        x = torch.zeros_like(position).expand(len(value), -1, -1)
        predictions = []
        decoder = self.transformer["decoder"]
        for layer in decoder.layers:
            x = layer(x, position, key, value)
            y = decoder.norm(x)
            masks = torch.einsum("bqc,bchw->bqhw", self.mask_embed(y), mask_features)
            predictions.append(Prediction(self.class_embed(y), masks))
        return predictions


class MaskFormer(Segmenter):
    """As its authors train it on COCO: an encoder of six layers behind a ResNet, none behind a Swin Transformer."""

    claimed = False

    def __init__(self, classes, queries=100, dim=256, heads=8, layers=6, hidden=2048, backbone="resnet50"):
        maps = BACKBONES[backbone]()
        encoder_layers = 6 if backbone == "resnet50" else 0
        inputs = dim if encoder_layers else maps.channels["res5"]
        super().__init__(
            maps,
            PyramidDecoder(maps.channels, dim, encoder_layers, hidden, heads),
            Predictor(inputs, classes, queries, dim, layers, hidden, heads),
        )
