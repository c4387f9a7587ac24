"""ResNet-50 with frozen batch norm, under detectron2's parameter names."""

import torch.nn.functional as F
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

# stage name -> (blocks, bottleneck width, output channels, stride of the first block)
STAGES = {
    "res2": (3, 64, 256, 1),
    "res3": (4, 128, 512, 2),
    "res4": (6, 256, 1024, 2),
    "res5": (3, 512, 2048, 2),
}


class ConvNorm(nn.Conv2d):
    """A convolution without bias that owns the frozen batch norm behind it, as detectron2 names them."""

    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.norm = FrozenBatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(super().forward(x))

    def fold(self):
        """Moves the norm y = x*s + (b - mean*s), s = weight/sqrt(var + eps), into the convolution."""
        norm = self.norm
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        self.weight = nn.Parameter(self.weight.detach() * scale[:, None, None, None], requires_grad=False)
        self.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)
        self.norm = nn.Identity()


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, outputs, stride):
        super().__init__()
        self.conv1 = ConvNorm(inputs, width, 1)
        self.conv2 = ConvNorm(width, width, 3, stride)
        self.conv3 = ConvNorm(width, outputs, 1)
        self.shortcut = ConvNorm(inputs, outputs, 1, stride) if inputs != outputs else nn.Identity()

    def forward(self, x):
        y = F.relu(self.conv1(x), inplace=True)
        y = F.relu(self.conv2(y), inplace=True)
        y = self.conv3(y)
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


class ResNet50(nn.Module):
    """images [B,3,H,W] -> {"res2": [B,256,H/4,W/4], ..., "res5": [B,2048,H/32,W/32]}"""

    channels = {name: outputs for name, (_, _, outputs, _) in STAGES.items()}

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv1", ConvNorm(3, 64, 7, 2))
        channels = 64
        for name, (blocks, width, outputs, stride) in STAGES.items():
            layers = [Bottleneck(channels, width, outputs, stride)]
            layers += [Bottleneck(outputs, width, outputs, 1) for _ in range(blocks - 1)]
            self.add_module(name, nn.Sequential(*layers))
            channels = outputs

    def forward(self, images):
        x = F.max_pool2d(F.relu(self.stem(images), inplace=True), 3, 2, 1)
        features = {}
        for name in STAGES:
            x = features[name] = getattr(self, name)(x)
        return features

    def freeze(self):
        """No gradients any more, and every frozen norm folded into its convolution."""
        self.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()
