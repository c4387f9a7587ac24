"""MaskFormer with both of its pixel decoders, under the parameter names of its checkpoints; nothing is dropped."""

import torch
import torch.nn.functional as F
from torch import nn

from backbone import BACKBONES
from feed_forward import FeedForward
from mask2former import MaskEmbedding, Prediction
from pixel_decoder import ConvGroupNorm
from position import sine_position
from transformer_decoder import attention


def convolution(inputs, outputs, kernel):
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_uniform_(layer.weight, a=1)
    nn.init.zeros_(layer.bias)
    return layer


def tokens(x):
    """[B,C,h,w] -> [B,h*w,C]"""
    return x.flatten(2).transpose(1, 2)


class EncoderLayer(FeedForward):
    """Post-norm: self-attention, feed-forward."""

    def __init__(self, dim, hidden, heads):
        super().__init__(dim, hidden)
        self.self_attn = attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, x, position):
        q = x + position
        x = self.norm1(x + self.self_attn(q, q, x, need_weights=False)[0])
        return self.norm2(x + self.feed_forward(x))


class DecoderLayer(FeedForward):
    """Post-norm: self-attention, cross-attention, feed-forward."""

    def __init__(self, dim, hidden, heads):
        super().__init__(dim, hidden)
        self.self_attn = attention(dim, heads)
        self.multihead_attn = attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x, position, key, value):
        q = x + position
        x = self.norm1(x + self.self_attn(q, q, x, need_weights=False)[0])
        x = self.norm2(x + self.multihead_attn(x + position, key, value, need_weights=False)[0])
        return self.norm3(x + self.feed_forward(x))


class Layers(nn.Module):
    def __init__(self, layers, norm=None):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        if norm is not None:
            self.norm = norm


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
        self.mask_embed = MaskEmbedding(dim)

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


class MaskFormer(nn.Module):
    """As its authors train it on COCO: an encoder of six layers behind a ResNet, none behind a Swin Transformer."""

    def __init__(self, classes, queries=100, dim=256, heads=8, layers=6, hidden=2048, backbone="resnet50"):
        super().__init__()
        self.backbone = BACKBONES[backbone]()
        channels = self.backbone.channels
        encoder_layers = 6 if backbone == "resnet50" else 0
        inputs = dim if encoder_layers else channels["res5"]
        self.sem_seg_head = nn.ModuleDict(
            {
                "pixel_decoder": PyramidDecoder(channels, dim, encoder_layers, hidden, heads),
                "predictor": Predictor(inputs, classes, queries, dim, layers, hidden, heads),
            }
        )

    def forward(self, images):
        """images [B,3,H,W], normalised -> Predictions, the last is the output"""
        memory, mask_features = self.sem_seg_head["pixel_decoder"](self.backbone(images))
        return self.sem_seg_head["predictor"](memory, mask_features)
