"""Mask2Former's matcher and losses, on points."""

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

WEIGHTS = {"ce": 2.0, "mask": 5.0, "dice": 5.0}
NO_OBJECT = 0.1  # weight of the class "no object" in the cross-entropy


def sample(maps, points):
    """maps [N,C,H,W] at points [N,P,2], (x,y) in [0,1] -> [N,C,P]; bilinear, zero outside"""
    return F.grid_sample(maps, 2 * points[:, :, None] - 1, align_corners=False).squeeze(3)


class Criterion:
    """`draw(*shape)` draws uniformly from [0, 1). For every output, the last one first and then the others in their
    order, it is asked for [1,points,2] per image that is matched, then for the candidates and the unconditional points
    of all pairs."""

    weights = WEIGHTS

    def __init__(self, classes, points=12544, oversampling=3.0, importance=0.75, draw=torch.rand):
        self.classes, self.points, self.draw = classes, points, draw
        self.candidates, self.important = int(oversampling * points), int(importance * points)

    def __call__(self, predictions, targets, given=None, group=""):
        """-> losses of every prediction without their weights, by the authors' names: loss_ce, loss_mask and loss_dice
        of the last one, loss_ce_0, ... of the others; `group` stands before the number.

        given: the pairs (queries, targets) of each image, instead of matching them
        """
        last = len(predictions) - 1
        num_masks = sum(len(queries) for queries, _ in given) if given else sum(len(t.labels) for t in targets)
        losses = {}
        for index in (last, *range(last)):
            prediction = predictions[index]
            pairs = given or [self.match(*image, target) for *image, target in zip(*prediction, targets)]
            found = {
                "ce": self.class_loss(prediction.logits, targets, pairs),
                **self.mask_losses(prediction.masks, targets, pairs, max(1, num_masks)),
            }
            suffix = group if index == last else f"{group}_{index}"
            losses.update({f"loss_{kind}{suffix}": loss for kind, loss in found.items()})
        return losses

    def weight(self, name):
        return self.weights[name.split("_")[1]]

    def total(self, losses):
        return sum(self.weight(name) * loss for name, loss in losses.items())

    @torch.no_grad()
    def cost(self, logits, masks, target):
        """[Q,N]; the parts of the cost have the weights of the losses"""
        points = self.draw(1, self.points, 2)
        x = sample(masks[None], points)[0]
        t = sample(target.masks[None], points)[0]
        s = x.sigmoid()
        ce = -logits.softmax(-1)[:, target.labels]
        mask = (F.softplus(-x) @ t.T + F.softplus(x) @ (1 - t).T) / self.points
        dice = 1 - (2 * s @ t.T + 1) / (s.sum(-1)[:, None] + t.sum(-1) + 1)
        return self.weights["ce"] * ce + self.weights["mask"] * mask + self.weights["dice"] * dice

    def match(self, logits, masks, target):
        """-> (queries, targets), ascending queries"""
        queries, matched = linear_sum_assignment(self.cost(logits, masks, target).numpy())
        return torch.from_numpy(queries), torch.from_numpy(matched)

    def class_loss(self, logits, targets, pairs):
        labels = torch.full(logits.shape[:2], self.classes)
        for row, target, (queries, matched) in zip(labels, targets, pairs):
            row[queries] = target.labels[matched]
        weight = logits.new_ones(self.classes + 1)
        weight[self.classes] = NO_OBJECT
        return F.cross_entropy(logits.transpose(1, 2), labels, weight)

    def mask_losses(self, masks, targets, pairs, num_masks):
        predicted = torch.cat([image[queries] for image, (queries, _) in zip(masks, pairs)])[:, None]
        with torch.no_grad():
            truth = torch.cat([target.masks[matched] for target, (_, matched) in zip(targets, pairs)])[:, None]
            points = self.uncertain_points(predicted)
            t = sample(truth, points)[:, 0]
        x = sample(predicted, points)[:, 0]
        s = x.sigmoid()
        mask = F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(1).sum() / num_masks
        dice = (1 - (2 * (s * t).sum(1) + 1) / (s.sum(1) + t.sum(1) + 1)).sum() / num_masks
        return {"mask": mask, "dice": dice}

    def uncertain_points(self, masks):
        """[M,P,2]: of the candidates those whose logits are nearest to zero, and some without condition"""
        candidates = self.draw(len(masks), self.candidates, 2)
        certainty = sample(masks, candidates)[:, 0].abs()
        chosen = certainty.topk(self.important, dim=1, largest=False).indices
        important = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
        return torch.cat((important, self.draw(len(masks), self.points - self.important, 2)), dim=1)
