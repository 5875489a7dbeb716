"""Matrices of `(samples, n)`, dense or sparse, some samples at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from hierloss.hierarchy import Hierarchy
from hierloss.topology import check_classes

# Bytes that one block may take where each class and each edge of a sample takes one.
BLOCK = 2**24


def blocks(x: Tensor, what: str, hierarchy: Hierarchy) -> Iterator[tuple[int, Tensor]]:
    """Dense blocks of samples, each with the number of its first sample."""
    check_classes(x, what, hierarchy)
    size = max(1, BLOCK // (len(hierarchy) + hierarchy.edge_index.shape[1]))
    if x.layout == torch.strided:
        flat = x.reshape(-1, x.shape[-1])
        return ((i, flat[i : i + size]) for i in range(0, len(flat), size))
    if x.ndim != 2:
        raise ValueError(
            f"expected {what} of shape (samples, n) where it is sparse, got {tuple(x.shape)}"
        )
    return _sparse(stored(x), size)


def stored(x: Tensor) -> Tensor:
    """A sparse tensor as COO, each entry once."""
    return x.to_sparse(layout=torch.sparse_coo).coalesce()


def _sparse(x: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    (sample, column), values = x.indices(), x.values()
    starts = range(0, len(x), size)
    cuts = torch.searchsorted(sample, torch.tensor([*starts, len(x)], device=x.device)).tolist()
    for start, (first, last) in zip(starts, pairwise(cuts), strict=True):
        block = values.new_zeros(min(size, len(x) - start), x.shape[1])
        block[sample[first:last] - start, column[first:last]] = values[first:last]
        yield start, block
