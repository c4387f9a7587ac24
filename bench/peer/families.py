"""The families by name: model and criterion."""

from criterion import Criterion
from mask2former import Mask2Former
from maskformer import MaskFormer
from mp_former import MpFormer
from oneformer import OneFormer, OneFormerCriterion
from pixel_criterion import PixelCriterion

FAMILIES = {
    "mask2former": (Mask2Former, Criterion),
    "maskformer": (MaskFormer, PixelCriterion),
    "mp-former": (MpFormer, Criterion),
    "oneformer": (OneFormer, OneFormerCriterion),
}
