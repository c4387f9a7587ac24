"""One Mask-JEPA pretraining step: target, prediction, losses, backward, AdamW, moving average."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

TARGET_PREFIX = "target."
NO_DECAY = (nn.LayerNorm, nn.GroupNorm, nn.Embedding)


def enlarge(noise, factor=4):
    """Every value fills a factor x factor block."""
    return F.interpolate(noise, scale_factor=factor, mode="nearest")


def target_features(pixel_decoder, features):
    """[B,h*w,C] at stride 8, layer-normed over the channels without affine; no gradient."""
    with torch.no_grad():
        stride8 = pixel_decoder.encode(features)[-1].flatten(2).transpose(1, 2)
        return F.layer_norm(stride8, stride8.shape[-1:])


def at_positions(x, positions):
    """x [B,N,C], positions [B,K] -> [B,K,C]"""
    return x.gather(1, positions[..., None].expand(-1, -1, x.shape[2]))


def objective(model, noisy_features, target, noise, masked, queries):
    """-> dict of the two losses and, for cross-checks, the maps between"""
    maps, mask_features = model.sem_seg_head["pixel_decoder"](noisy_features)
    prediction = model.predict(maps[-1], masked, queries)
    return {
        "recon": F.mse_loss(prediction, at_positions(target, masked)),
        "denoise": F.mse_loss(model.mask_jepa.denoise(mask_features), noise),
        "prediction": prediction,
        "stride8": maps[-1],
    }


def parameter_groups(model, weight_decay):
    """Norms, embeddings and relative position biases are not decayed, all else is, other biases included."""
    plain, decayed = [], []
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                spared = isinstance(module, NO_DECAY) or name == "relative_position_bias_table"
                (plain if spared else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


class Pretraining:
    """Online and target weights with their optimiser. A frozen backbone is shared by both."""

    def __init__(self, model, frozen=True, lr=1e-4, weight_decay=0.05, clip=0.01, tau=0.996):
        self.model, self.frozen, self.clip, self.tau = model, frozen, clip, tau
        self.target = nn.ModuleDict({"pixel_decoder": copy.deepcopy(model.sem_seg_head["pixel_decoder"])})
        if frozen:
            model.backbone.freeze()
        else:
            self.target["backbone"] = copy.deepcopy(model.backbone)
        self.target.requires_grad_(False)
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameter_groups(model, weight_decay), lr=lr)
        online = dict(model.sem_seg_head["pixel_decoder"].named_parameters(prefix="pixel_decoder"))
        if not frozen:
            online.update(model.backbone.named_parameters(prefix="backbone"))
        averages = dict(self.target.named_parameters())
        self.averages = list(averages.values())
        self.averaged = [online[name] for name in averages]

    def features(self, images, noise):
        """-> backbone maps of the clean images for the target, of the noisy ones for the online branch"""
        noisy = images + enlarge(noise)
        if self.frozen:
            with torch.no_grad():
                return self.model.backbone(images), self.model.backbone(noisy)
        with torch.no_grad():
            clean = self.target["backbone"](images)
        return clean, self.model.backbone(noisy)

    def losses(self, images, noise, masked, queries):
        clean, noisy = self.features(images, noise)
        target = target_features(self.target["pixel_decoder"], clean)
        return objective(self.model, noisy, target, noise, masked, queries)

    @torch.no_grad()
    def evaluate(self, batch):
        """-> (recon, denoise); changes nothing"""
        out = self.losses(**batch)
        return out["recon"].item(), out["denoise"].item()

    def step(self, batch):
        """One update of all weights; -> (recon, denoise) before it"""
        self.optimizer.zero_grad(set_to_none=True)
        out = self.losses(**batch)
        (out["recon"] + out["denoise"]).backward()
        nn.utils.clip_grad_norm_(self.trained, self.clip)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(self.averages, self.tau)
            torch._foreach_add_(self.averages, self.averaged, alpha=1 - self.tau)
        return out["recon"].item(), out["denoise"].item()
