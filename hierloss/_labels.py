"""Between names and columns, label sets and targets."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hierloss import _input
from hierloss.errors import UnknownClassError
from hierloss.topology import Topology, check_classes, dense, from_rows

if TYPE_CHECKING:
    from hierloss.hierarchy import Hierarchy


def column(h: Hierarchy, x: str | int) -> int:
    """The column of a class given by name, alias or column."""
    if isinstance(x, str):
        name = h.aliases.get(x, x)
        if name not in h._columns:
            _input.check_known([x], [*h.names, *h.aliases], "expected the name of a class, got")
        return h._columns[name]
    if isinstance(x, bool) or not hasattr(x, "__index__"):
        raise TypeError(f"expected a class given by name or column, got {x!r}")
    i = operator.index(x)
    if not 0 <= i < len(h):
        raise UnknownClassError(f"expected a column from 0 to {len(h) - 1}, got {i}")
    return i


def encode(h: Hierarchy, labels: Iterable[Iterable[str]], sparse: bool) -> Tensor:
    """Closed targets of label sets."""
    sets = [_names_of(sample, i) for i, sample in enumerate(labels)]
    known = {name: h.aliases.get(name, name) for sample in sets for name in sample}
    if not all(name in h._columns for name in known.values()):
        _input.check_known(known, {*h, *h.aliases}, "expected names of classes, got")
    above = {name: _self_and_ancestors(h, live) for name, live in known.items()}
    rows = [sorted(set().union(*(above[name] for name in sample))) for sample in sets]
    counts = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    columns = torch.tensor([i for row in rows for i in row], dtype=torch.int64)
    where = torch.arange(len(rows)).repeat_interleave(counts), columns
    shape = (len(rows), len(h))
    if sparse:
        ones = torch.ones(len(columns), dtype=torch.bool)
        return torch.sparse_coo_tensor(
            torch.stack(where), ones, shape, is_coalesced=True, check_invariants=True
        )
    target = torch.zeros(shape, dtype=torch.bool)
    target[where] = True
    return target


def decode(h: Hierarchy, mask: Tensor) -> list[tuple[str, ...]]:
    """Names of the positive classes of each row."""
    mask = dense(mask, "a mask")
    if mask.is_floating_point() or mask.is_complex():
        raise TypeError(
            f"expected a mask of bool, or of integers 0 and 1, got {mask.dtype}; for scores "
            "apply a threshold first, as in h.decode(scores > 0)"
        )
    if mask.ndim != 2 or mask.shape[1] != len(h):
        raise ValueError(f"expected a mask of shape (samples, {len(h)}), got {tuple(mask.shape)}")
    if mask.dtype != torch.bool and ((mask != 0) & (mask != 1)).any():
        raise ValueError("expected a mask of zeros and ones, got other integers")
    return [tuple(h.names[i] for i in np.flatnonzero(row)) for row in mask.cpu().numpy()]


def close(h: Hierarchy, target: Tensor) -> Tensor:
    """The target with every ancestor of a positive class positive."""
    from hierloss._targets import check_type, told_apart
    from hierloss.kernels.reference import reach

    target = dense(target, "a target")
    check_classes(target, "a target", h)
    check_type(target)
    positive, _, _ = told_apart(target, validate=True)
    closed = reach(positive, Topology.of(h, target.device))
    ones = torch.ones((), dtype=target.dtype, device=target.device)
    return torch.where(from_rows(closed, target.shape), ones, target)


def violations(h: Hierarchy, scores: Tensor) -> Tensor:
    """Which edges have a child that scores above its parent."""
    scores = dense(scores, "scores")
    check_classes(scores, "scores", h)
    of = Topology.of(h, scores.device)
    return ~(scores.index_select(-1, of.child) <= scores.index_select(-1, of.parent))


def _names_of(sample: Iterable[str], i: int) -> list[str]:
    if isinstance(sample, str) or not isinstance(sample, Iterable):
        raise TypeError(
            f"expected a collection of names for each sample, got {sample!r} for sample {i}; "
            f"one class is written [{sample!r}]"
        )
    names = list(sample)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"expected names that are strings, got {name!r} in sample {i}")
    return names


def _self_and_ancestors(h: Hierarchy, name: str) -> list[int]:
    i = h._columns[name]
    return [i, *h._up.reachable(i)]
