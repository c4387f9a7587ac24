"""The model that Mask-JEPA pretrains, under the parameter names of the Mask2Former checkpoints."""

import torch
from torch import nn

from backbone import BACKBONES
from pixel_decoder import PixelDecoder
from position import sine_position
from predictor import Extras, Predictor


class MaskJepa(nn.Module):
    def __init__(
        self,
        backbone=None,
        channels=None,
        dim=256,
        heads=8,
        encoder_layers=6,
        encoder_hidden=1024,
        decoder_layers=9,
        decoder_hidden=2048,
        blocks=2,
    ):
        super().__init__()
        self.backbone = backbone
        self.sem_seg_head = nn.ModuleDict(
            {
                "pixel_decoder": PixelDecoder(channels or backbone.channels, dim, encoder_layers, encoder_hidden, heads),
                "predictor": Predictor(dim, decoder_layers, decoder_hidden, heads),
            }
        )
        self.mask_jepa = Extras(dim, blocks, decoder_hidden, heads)

    def predict(self, stride8, masked, queries):
        """The target's layer-normed features at the masked positions, predicted from the others.

        stride8 [B,C,h,w]; masked [B,K] flat positions of the h x w grid; queries [B,K,C] random content -> [B,K,C]
        """
        batch, channels, height, width = stride8.shape
        position = sine_position(height, width, channels, stride8.dtype)
        memory = stride8.flatten(2).transpose(1, 2)
        hidden = torch.zeros(memory.shape[:2], dtype=torch.bool).scatter_(1, masked, True)
        memory = torch.where(hidden[..., None], self.mask_jepa.mask_token, memory)
        for block in self.mask_jepa.blocks:
            memory = block(memory, position)
        decoded = self.sem_seg_head["predictor"](queries, position[masked], memory, position)
        return self.mask_jepa.prediction(decoded)


def full_model(backbone):
    """backbone: a name of BACKBONES"""
    return MaskJepa(BACKBONES[backbone]())
