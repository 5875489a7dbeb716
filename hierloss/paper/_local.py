"""What became of the local outputs of a network, which its prediction may not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import hierloss.functional as HF
from hierloss.models.base import Model, evaluating


class Local(NamedTuple):
    """The local outputs of a network.

    Attributes:
        scores: `(samples, n)` coherent probabilities, those of LMC with all ancestors: LHLoss does
            not teach a class to be below its parents, so that MCM would take any score to the top.
        dead: The share of the units behind them, one for each level and hidden unit, that are 0 for
            every sample.
    """

    scores: Tensor
    dead: float


@torch.no_grad()
def local_outputs(model: Model, x: Tensor) -> Local | None:
    """The local outputs of a network for some samples, or None where it has no local heads.

    Example:
        >>> from hierloss import Hierarchy
        >>> from hierloss.models import CHMCNN, HLSTM
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> found = local_outputs(HLSTM(h, 5, hidden=4), torch.randn(3, 5))
        >>> found.scores.shape
        torch.Size([3, 3])
        >>> local_outputs(CHMCNN(h, 5, hidden=4), torch.randn(3, 5)) is None
        True
    """
    heads = getattr(model, "local", None)
    if heads is None:
        return None
    seen: list[Sequence[Tensor]] = []
    handle = heads.register_forward_hook(lambda module, given, logits: seen.append(given[0]))
    with handle, evaluating(model):
        logits = model(x).local_logits
        units = [step(a) for step, a in zip(heads.transitions, seen[0], strict=True)]
    dead = torch.cat([(one == 0).all(0) for one in units]).float().mean()
    held = HF.lmc(model.unheld(logits, torch.inf), model.hierarchy, closure=True)
    return Local(held.sigmoid(), dead.item())
