"""Targets of a loss: checked, one row a class, positives and unknowns told apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hierloss.kernels.reference import reach
from hierloss.topology import Topology, check_shape, dense, to_rows


class Target(NamedTuple):
    """A target of `(n, samples)`.

    Attributes:
        positive: Where a class is known to be positive.
        unknown: Where it is not known; None where everything is known.
        wrong: Where there is no label but something else; None where that is nowhere.
        closed: Where a class or a descendant of it is positive.
    """

    positive: Tensor
    unknown: Tensor | None
    wrong: Tensor | None
    closed: Tensor


def checked(target: Tensor, shape: torch.Size) -> Tensor:
    """A dense target of the shape of an input.

    Raises:
        TypeError: Something that is no target.
        ValueError: Another shape.
    """
    target = dense(target, "a target")
    check_shape(target, "a target", shape)
    check_type(target)
    return target


def check_type(target: Tensor) -> None:
    """Raise if a target is of a type that labels cannot have."""
    if target.is_complex():
        raise TypeError(f"expected a target of bool, integers or floats, got {target.dtype}")


def prepare(target: Tensor, topology: Topology, validate: bool) -> Target:
    """A dense target `(*, n)`, one row a class.

    Raises:
        ValueError: A value that is no label, a target that is not closed upward.
    """
    positive, unknown, wrong = told_apart(target, validate)
    y = Target(positive, unknown, wrong, positive)
    if validate or unknown is not None:
        y = y._replace(closed=reach(positive, topology))
    if validate and not torch.equal(y.closed, positive):
        check_closed(y, target.shape, topology)
    return y


def told_apart(target: Tensor, validate: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Rows of what is positive, what is unknown, and what is no label."""
    if target.dtype == torch.bool:
        return to_rows(target), None, None
    positive = target == 1
    other = ~(positive | (target == 0))
    if validate and not other.any():
        return to_rows(positive), None, None
    unknown = _is_unknown(target)
    wrong = other & ~unknown
    if validate:
        _check_marks(target, wrong)
    return to_rows(positive), to_rows(unknown), None if validate else to_rows(wrong)


def known(target: Tensor) -> Tensor:
    """Where a dense target has a label, of its shape.

    Raises:
        ValueError: A value that is no label, nor unknown.
    """
    found = (target == 0) | (target == 1)
    if not found.all():
        _check_marks(target, ~(found | _is_unknown(target)))
    return found


def _is_unknown(target: Tensor) -> Tensor:
    if target.is_floating_point():
        return target.isnan()
    return target == -1 if target.dtype.is_signed else torch.zeros_like(target, dtype=torch.bool)


def _check_marks(target: Tensor, wrong: Tensor) -> None:
    found = wrong.nonzero().tolist()
    if found:
        expected = "0 or 1"
        if target.dtype.is_signed:
            unknown = "NaN" if target.is_floating_point() else "-1"
            expected = f"0, 1 or {unknown}, the last for unknown"
        raise ValueError(
            f"expected targets of {expected}, got "
            f"{target[tuple(found[0])].item()} at {found[0]} of a target of {target.dtype}"
        )


def check_closed(y: Target, shape: torch.Size, topology: Topology, first: int = 0) -> None:
    """Raise unless a target is closed upward, or some samples of it from the first of them on."""
    wrong = y.closed & ~y.positive
    if y.unknown is not None:
        wrong &= ~y.unknown
    if not wrong.any():
        return
    h = topology.hierarchy
    sample, above = (int(i) for i in wrong.t().nonzero()[0])
    below = next(i for i in h.descendants(above) if y.positive[i, sample])
    where = ", ".join(map(str, _unravel(first + sample, shape[:-1])))
    raise ValueError(
        f"expected a target that is closed upward, got {h.names[below]!r} = 1 and its ancestor "
        f"{h.names[above]!r} = 0 in sample [{where}]; hierarchy.close(target) sets the ancestors"
    )


def _unravel(sample: int, shape: torch.Size) -> list[int]:
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return [sample // step % size for step, size in zip(steps, shape, strict=True)]
