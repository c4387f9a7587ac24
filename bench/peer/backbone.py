"""The backbones by name."""

from resnet import ResNet50
from swin import Swin

# Without drop path: the other side of the benchmark would drop other branches.
BACKBONES = {"resnet50": ResNet50, "swin-t": lambda: Swin("T", drop_path_rate=0)}
