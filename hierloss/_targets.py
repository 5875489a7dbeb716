"""Targets of a loss: checked, one row a class, positives and unknowns told apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hierloss.kernels.reference import reach
from hierloss.topology import Topology, check_shape, to_rows


class Target(NamedTuple):
    """A target of `(n, samples)`.

    Attributes:
        positive: Where a class is known to be positive.
        unknown: Where it is not known; None where everything is known.
        closed: Where a class or a descendant of it is positive.
    """

    positive: Tensor
    unknown: Tensor | None
    closed: Tensor


def prepare(target: Tensor, shape: torch.Size, topology: Topology, validate: bool | None) -> Target:
    """The target of an input of a given shape.

    Raises:
        ValueError: Another shape, a value that is no label, a target that is not closed upward.
    """
    target = _dense(target)
    check_shape(target, "a target", shape)
    if validate is None:
        validate = target.device.type == "cpu" and not torch.compiler.is_compiling()
    positive, unknown = _told_apart(target, validate)
    y = Target(positive, unknown, positive)
    if validate or unknown is not None:
        y = y._replace(closed=reach(positive, topology))
    if validate and not torch.equal(y.closed, positive):
        _check_closed(y, shape, topology)
    return y


def _dense(target: Tensor) -> Tensor:
    if not isinstance(target, Tensor):
        raise TypeError(f"expected a target that is a Tensor, got {type(target).__name__}")
    return target if target.layout == torch.strided else target.to_dense()


def _told_apart(target: Tensor, validate: bool) -> tuple[Tensor, Tensor | None]:
    if target.dtype == torch.bool:
        return to_rows(target), None
    positive = target == 1
    unknown = ~(positive | (target == 0))
    if validate:
        if not unknown.any():
            return to_rows(positive), None
        _check_marks(target, unknown)
    return to_rows(positive), to_rows(unknown)


def _check_marks(target: Tensor, unknown: Tensor) -> None:
    marked = target.isnan() if target.is_floating_point() else target == -1
    wrong = (unknown & ~marked).nonzero().tolist()
    if wrong:
        expected = "0, 1 or NaN" if target.is_floating_point() else "0, 1 or -1"
        raise ValueError(
            f"expected targets of {expected}, the last for unknown, got "
            f"{target[tuple(wrong[0])].item()} at {wrong[0]} of a target of {target.dtype}"
        )


def _check_closed(y: Target, shape: torch.Size, topology: Topology) -> None:
    wrong = y.closed & ~y.positive
    if y.unknown is not None:
        wrong &= ~y.unknown
    if not wrong.any():
        return
    h = topology.hierarchy
    sample, above = (int(i) for i in wrong.t().nonzero()[0])
    below = next(i for i in h.descendants(above) if y.positive[i, sample])
    where = ", ".join(map(str, _unravel(sample, shape[:-1])))
    raise ValueError(
        f"expected a target that is closed upward, got {h.names[below]!r} = 1 and its ancestor "
        f"{h.names[above]!r} = 0 in sample [{where}]; hierarchy.close(target) sets the ancestors"
    )


def _unravel(sample: int, shape: torch.Size) -> list[int]:
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return [sample // step % size for step, size in zip(steps, shape, strict=True)]
