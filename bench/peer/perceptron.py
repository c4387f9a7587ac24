"""Linear layers with ReLU between them."""

import torch.nn.functional as F
from torch import nn


class Perceptron(nn.Module):
    def __init__(self, inputs, *widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip((inputs, *widths), widths))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x), inplace=True)
        return self.layers[-1](x)
