"""OneFormer: Mask2Former whose queries are told the task, with a text branch for training alone; nothing is dropped."""

from math import log

import torch
import torch.nn.functional as F
from torch import nn

from criterion import WEIGHTS, Criterion
from detr import DecoderLayer, Layers
from mask2former import Mask2Former, MaskedDecoder
from perceptron import Perceptron
from position import sine_position, tokens
from segmenter import Target
from text_encoder import TextEncoder

# "The task is semantic", ... as CLIP's tokenizer numbers it.
TASKS = {
    "semantic": (49406, 518, 10549, 533, 29119, 1550, 49407),
    "instance": (49406, 518, 10549, 533, 34572, 49407),
    "panoptic": (49406, 518, 10549, 533, 1072, 24755, 49407),
}
TASK_LENGTH = 77
THINGS = 80  # of COCO panoptic; things come first
CONTEXT = 16  # learned rows behind the texts of an image
TEMPERATURE = 0.07
LARGEST_SCALE = 100
CONTRASTED = 2  # images at once, as on each GPU of the authors


def task_tokens(task):
    numbers = TASKS[task]
    return torch.tensor(numbers + (0,) * (TASK_LENGTH - len(numbers)), dtype=torch.float32)


class TaskDecoder(MaskedDecoder):
    """The queries begin with what a transformer makes of the task's token and the mask features; the last one is the
    token itself."""

    learned = ("query_embed",)

    def __init__(self, classes, queries=150, dim=256, layers=9, hidden=2048, heads=8, class_layers=2):
        super().__init__(classes, queries, dim, layers, hidden, heads)
        self.class_input_proj = nn.Conv2d(dim, dim, 1)
        decoder = Layers((DecoderLayer(dim, hidden, heads) for _ in range(class_layers)), nn.LayerNorm(dim))
        self.class_transformer = nn.ModuleDict({"decoder": decoder})

    def contents(self, mask_features, task):
        """task [B,C] -> [B,Q,C]"""
        projected = tokens(self.class_input_proj(mask_features))
        places = sine_position(*mask_features.shape[-2:], projected.shape[2], projected.dtype)
        token = self.decoder_norm(task)[:, None]
        position = self.query_embed.weight[:-1]
        x = token.expand(-1, len(position), -1)
        decoder = self.class_transformer["decoder"]
        values = places.expand_as(projected)  # as the authors have it: the features are in the keys alone
        for layer in decoder.layers:
            x = layer(x, position, projected + places, values)
        return torch.cat((decoder.norm(x), token), dim=1)

    def forward(self, maps, mask_features, content):
        return self.decode(maps, mask_features, content, self.query_embed.weight)


class OneFormer(Mask2Former):
    decoder = TaskDecoder

    def __init__(self, classes, queries=150, dim=256, backbone="resnet50"):
        super().__init__(classes, queries, dim, backbone=backbone)
        self.task_mlp = Perceptron(TASK_LENGTH, dim, dim)
        self.text_encoder = TextEncoder(dim)
        self.text_projector = Perceptron(dim, dim, dim)
        self.prompt_ctx = nn.Embedding(CONTEXT, dim)
        self.criterion = nn.ParameterDict({"logit_scale": nn.Parameter(torch.tensor(log(1 / TEMPERATURE)))})

    def batch(self, tensors):
        """Of panoptic labels each image's task asks for all, for the things, or for each class as a whole."""
        batch = super().batch(tensors)
        texts = torch.stack([tensors[f"texts/{i}"] for i in range(len(batch.images))])
        names = [list(TASKS)[task] for task in tensors["tasks"]]
        return batch._replace(targets=list(map(asked_for, names, batch.targets)), tasks=names, texts=texts)

    def queries(self, mask_features, tasks):
        numbers = torch.stack([task_tokens(task) for task in tasks])
        return self.predictor.contents(mask_features, self.task_mlp(numbers))

    def forward(self, images, task="panoptic"):
        maps, mask_features = self.features(images)
        return self.predictor(maps, mask_features, self.queries(mask_features, [task] * len(images)))

    def losses(self, batch, criterion):
        maps, mask_features = self.features(batch.images)
        queries = self.queries(mask_features, batch.tasks)
        texts = self.text_projector(self.text_encoder(batch.texts.flatten(0, 1))).unflatten(0, batch.texts.shape[:2])
        rows = torch.cat((texts, self.prompt_ctx.weight.expand(len(texts), -1, -1)), dim=1)
        return {
            **criterion(self.predictor(maps, mask_features, queries), batch.targets),
            "loss_contrastive": contrast(queries, rows, self.criterion["logit_scale"]),
        }

    def for_inference(self):
        for name in ("text_encoder", "text_projector", "prompt_ctx", "criterion"):
            delattr(self, name)
        return super().for_inference()


class OneFormerCriterion(Criterion):
    weights = {**WEIGHTS, "contrastive": 0.5}


def asked_for(task, target):
    """The Target of a task; classes in the order in which they first occur, nothing that is not seen"""
    seen = target.masks.flatten(1).any(1)
    labels, masks = target.labels[seen], target.masks[seen]
    if task == "panoptic":
        return Target(labels, masks)
    if task == "instance":
        return Target(labels[labels < THINGS], masks[labels < THINGS])
    different = list(dict.fromkeys(labels.tolist()))
    return Target(torch.tensor(different), torch.stack([masks[labels == label].amax(0) for label in different]))


def contrast(queries, rows, scale):
    """Which texts [B,Q,C] are whose image's and the other way round, among a few images at a time"""
    own = torch.arange(CONTRASTED)
    losses = []
    for images, texts in zip(*(F.normalize(x.flatten(1), dim=-1).split(CONTRASTED) for x in (queries, rows))):
        logits = images @ texts.T * scale.exp().clamp(max=LARGEST_SCALE)
        losses.append(F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))
    return torch.stack(losses).mean()
