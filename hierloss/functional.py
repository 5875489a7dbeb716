r"""The mathematics, as pure functions of tensors.

Every class is decided by one logit: that of its best descendant, or the lowest of itself and its
parents. Which one it is does not change under small changes of the scores, so every function here
selects deciding scores and applies an elementwise cost to them. Gradients flow to the class that
decides. Where scores tie, a class itself decides before others, then its first child (for `lmc`:
parent) in column order that attains the extremum.

Scores are `(*, n)`, with the classes of the hierarchy last and any batch dimensions before them.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hierloss import _targets
from hierloss._targets import Target
from hierloss.hierarchy import Hierarchy
from hierloss.kernels import reference
from hierloss.topology import Topology, check_classes, to_rows

__all__ = ["hybrid_loss", "lh_loss", "lmc", "mc_loss", "mcm"]

Reduction = Literal["none", "mean", "sum", "batchmean"]
