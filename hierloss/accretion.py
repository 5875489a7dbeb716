"""How much a class tells beyond its parents: information accretion, the weights of CAFA."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss._dag import Ints
from hierloss._rows import blocks, stored
from hierloss._targets import Target, check_closed, check_type, told_apart
from hierloss.hierarchy import Hierarchy
from hierloss.kernels.reference import reach
from hierloss.topology import Topology, check_tensor

__all__ = ["information_accretion"]

Roots = Literal["zero", "counted"]
Bits = NDArray[np.uint8]

_COUNT = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.uint8)


def information_accretion(
    target: Tensor,
    hierarchy: Hierarchy,
    *,
    pseudocount: float = 1.0,
    roots: Roots = "zero",
) -> Tensor:
    r"""The bits that a class adds to its parents, estimated from the labels of samples.

    .. math::
        \text{ia}(v) = -\log_2 P(v \mid \text{all parents of } v)
        \approx \log_2 \frac{k + \#\{\text{samples with all parents of } v\}}
                            {k + \#\{\text{samples with } v\}}

    With the pseudocount :math:`k = 1`, one sample more that has every class, this is what CAFA's
    program InformationAccretion computes. With :math:`k = 0` it is the plain estimate, and a class
    that no sample has gets 0, as in the program of CAFA 2. A class always has 0 whose parents no
    sample has together.

    A sample whose label is unknown, NaN or -1, does not count for that class; above a positive
    class an unknown label is positive.

    Args:
        target: 0 and 1, NaN or -1 for unknown, closed upward. A sparse one takes memory for its
            positives, and for some samples at a time.
        hierarchy: The hierarchy of the classes.
        pseudocount: The :math:`k` of the formula.
        roots: "zero", since CAFA counts in each namespace only the proteins that have its root, or
            "counted": a root is compared with all samples, as is right for a forest whose roots
            are classes like any other.

    Shape:
        `target` is `(*, n)`, sparse `(samples, n)`; the result `(n,)`, in float64.

    Raises:
        ValueError: The target is not closed upward, or has what is no label.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> y = h.encode([["a/b"], ["a/b"], ["a/c"]])
        >>> information_accretion(y, h)
        tensor([0.0000, 0.4150, 1.0000], dtype=torch.float64)

    References:
        Clark and Radivojac, Information-theoretic evaluation of predicted ontological annotations,
        2013, https://doi.org/10.1093/bioinformatics/btt228
    """
    if roots not in get_args(Roots):
        raise ValueError(f"expected roots of {get_args(Roots)}, got {roots!r}")
    if not 0 <= pseudocount < math.inf:
        raise ValueError(f"expected a pseudocount of at least 0, got {pseudocount}")
    _check_marks(target)
    own, above = np.zeros((2, len(hierarchy)), dtype=np.int64)
    for start, block in blocks(target, "a target", hierarchy):
        has, known = _labels(block.cpu(), hierarchy)
        have_parents = _with_parents(has, hierarchy)
        if (has & ~have_parents).any():
            topology = Topology.of(hierarchy, torch.device("cpu"))
            marks = told_apart(block.cpu(), validate=False)
            y = Target(*marks, closed=reach(marks[0], topology))
            check_closed(y, target.shape, topology, start)
        own += _ones(has)
        above += _ones(have_parents & known)
    if roots == "zero":
        top = hierarchy.levels == 0
        above[top] = own[top]
    seen = own + pseudocount > 0
    ratio = np.divide(above + pseudocount, own + pseudocount, where=seen, out=np.ones(len(own)))
    return torch.from_numpy(np.log2(ratio)).to(target.device)


def _check_marks(target: Tensor) -> None:
    check_tensor(target, "a target")
    check_type(target)
    values = target if target.layout == torch.strided else stored(target).values()
    if values.numel():
        told_apart(values, validate=True)


def _labels(block: Tensor, h: Hierarchy) -> tuple[Bits, Bits]:
    """Which samples have each class, and of which it is known, a bit for each sample."""
    positive, unknown, _ = told_apart(block, validate=False)
    if unknown is None or not unknown.any():
        return _packed(positive), _packed(torch.ones_like(positive[:1]))
    has = positive | (reach(positive, Topology.of(h, block.device)) & unknown)
    return _packed(has), _packed(has | ~unknown)


def _with_parents(has: Bits, h: Hierarchy) -> Bits:
    """Which samples have all parents of each class; all of them where it has none."""
    found = np.full_like(has, 255)
    low = h._up.count > 0
    if low.any():
        found[low] = np.bitwise_and.reduceat(has[h._up.flat], h._up.start[low], axis=0)
    return found


def _packed(x: Tensor) -> Bits:
    return np.packbits(x.numpy(), axis=1)


def _ones(bits: Bits) -> Ints:
    counts: Ints = _COUNT[bits].sum(1, dtype=np.int64)
    return counts
