"""The elementwise part of a loss: costs of deciding scores, their weights and reduction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from numbers import Real
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hierloss._targets import Target
from hierloss.topology import BLOCK, check_shape, from_rows

Reduction = Literal["none", "mean", "sum", "batchmean"]
REDUCTIONS = get_args(Reduction)

# Where softplus(z) is z to float64 precision.
LINEAR = 40


def check_balance(balance: float) -> float:
    """The balance, if it is a share."""
    if not isinstance(balance, Real):
        raise TypeError(f"expected a balance that is a number, got {type(balance).__name__}")
    if not 0 <= balance <= 1:
        raise ValueError(f"expected a balance from 0 to 1, got {balance}")
    return float(balance)


def check_options(
    n: int, reduction: Reduction, weight: Tensor | None, pos_weight: Tensor | None
) -> None:
    """Raise unless the options of a loss over `n` classes are what they have to be."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"expected a reduction of {REDUCTIONS}, got {reduction!r}")
    for what, w in (("weight", weight), ("pos_weight", pos_weight)):
        if w is not None:
            check_shape(w, f"a {what} for each class", torch.Size([n]))


def check_weights(names: Sequence[str], weight: Tensor | None, pos_weight: Tensor | None) -> None:
    """Raise unless each class has a weight that can be one; it looks at all values."""
    for what, w in (("weight", weight), ("pos_weight", pos_weight)):
        if w is None or w.is_meta:
            continue
        wrong = ~(w.isfinite() & (w >= 0))
        if wrong.any():
            column = int(wrong.nonzero()[0])
            raise ValueError(
                f"expected a {what} of finite numbers of 0 or more, got {w[column].item()} for "
                f"{names[column]!r}; a ratio of counts is none where the lower count is 0"
            )


def check_probabilities(p: Tensor, what: str) -> None:
    """Raise if a value is no probability; it looks at all values."""
    outside = (p < 0) | (p > 1)
    if outside.any():
        raise ValueError(
            f"expected {what} of probabilities from 0 to 1 with from_logits=False, got "
            f"{p[outside][0].item()!r}; for logits use from_logits=True"
        )


def weights(
    y: Target,
    dtype: torch.dtype,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    sample_weight: Tensor | None,
) -> Tensor | None:
    """The product of the weights, of a shape that broadcasts to `(n, samples)`."""
    factors = []
    if weight is not None:
        factors.append(weight.to(dtype)[:, None])
    if pos_weight is not None:
        factors.append(torch.where(y.positive, pos_weight.to(dtype)[:, None], 1))
    if sample_weight is not None:
        factors.append(sample_weight.to(dtype).reshape(1, -1))
    return reduce(torch.mul, factors) if factors else None


def costs(deciding: Tensor, y: Target, factor: Tensor | None, from_logits: bool) -> Tensor:
    """The weighted costs of deciding scores, `(n, samples)`."""
    ignored = y.unknown
    if factor is not None:
        # What counts for nothing may be anything; else it has a cost, which a learned factor needs.
        usable = deciding.isfinite() if from_logits else (deciding >= 0) & (deciding <= 1)
        empty = (factor == 0) & ~usable
        ignored = empty if ignored is None else ignored | empty
    cost = (_logit_cost if from_logits else _probability_cost)(deciding, y.positive, ignored)
    cost = cost if y.wrong is None else cost.masked_fill(y.wrong, torch.nan)
    return cost if factor is None else cost * factor.to(cost.dtype)


def reduced(cost: Tensor, y: Target, reduction: Reduction, shape: torch.Size) -> Tensor:
    """The loss of `(n, samples)` costs for an input of a given shape."""
    if reduction == "none":
        return from_rows(cost, shape)
    total = _sum(cost)
    if reduction == "sum":
        return total
    if reduction == "batchmean":
        return total / max(cost.shape[1], 1)
    if y.unknown is None:
        return total / max(cost.numel(), 1)
    return total / (~y.unknown).sum().clamp(min=1)


def _logit_cost(deciding: Tensor, positive: Tensor, ignored: Tensor | None) -> Tensor:
    signed = torch.where(positive, -deciding, deciding)
    if ignored is None:
        return F.softplus(signed, threshold=LINEAR)
    return F.softplus(signed.masked_fill(ignored, 0), threshold=LINEAR).masked_fill(ignored, 0)


def _probability_cost(deciding: Tensor, positive: Tensor, ignored: Tensor | None) -> Tensor:
    if deciding.dtype in (torch.float16, torch.bfloat16):
        deciding = deciding.float()
    if ignored is not None:
        deciding = deciding.masked_fill(ignored, 0.5)
    missing = deciding.isnan()
    cost = F.binary_cross_entropy(
        deciding.masked_fill(missing, 0.5), positive.to(deciding.dtype), reduction="none"
    )
    cost = cost + deciding * torch.zeros_like(cost).masked_fill(missing, torch.nan)
    return cost if ignored is None else cost.masked_fill(ignored, 0)


def _sum(cost: Tensor) -> Tensor:
    if cost.dtype not in (torch.float16, torch.bfloat16):
        return cost.sum()
    # In blocks, because sum(dtype=...) on the CPU would make a float32 copy of it all.
    return torch.stack([block.sum(dtype=torch.float32) for block in torch.split(cost, BLOCK)]).sum()
