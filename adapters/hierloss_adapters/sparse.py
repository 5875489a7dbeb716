"""Hierarchies as sparse matrices of torch-sparse, both ways."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch

from hierloss._matrix import Orientation, check_name, check_roots
from hierloss.errors import HierarchyError
from hierloss.hierarchy import Hierarchy

if TYPE_CHECKING:
    from torch_sparse import SparseTensor

__all__ = ["from_sparse_tensor", "to_sparse_tensor"]

Kind = Literal["closure", "edges"]
Sets = list[set[int]]


def to_sparse_tensor(
    hierarchy: Hierarchy, kind: Kind = "closure", *, orientation: Orientation = "descendant_rows"
) -> SparseTensor:
    r"""Matrix of a hierarchy: its closure, or its edges.

    The closure has an entry for each class with itself and with each of its descendants. So the
    maximum over the entries of a row is `MCM`: with `(samples, n)` scores x

    .. math:: \text{MCM}(x)^T = \max_{j \in \text{row}} x_j^T

    is ``matrix.matmul(x.t(), reduce="max").t()``.

    The edges have an entry for each class with each of its children, and none with itself. A row
    without entries gives 0 in that product, which is above a negative logit: ``set_diag()`` adds
    the classes themselves. With "ancestor_rows" and ``reduce="min"`` that is one step of `LMC`.

    Args:
        hierarchy: The hierarchy.
        kind: "closure" or "edges".
        orientation: With "descendant_rows" row i has an entry in column j where j is a descendant
            of i, or a child; with "ancestor_rows" where j is an ancestor of i, or a parent.

    Shape:
        Output: `(n, n)`, without values, which stands for ones.

    Raises:
        ImportError: torch-sparse or torch-scatter is missing, or built for another PyTorch.

    Example:
        >>> h = Hierarchy.from_paths(["a/b/c"])
        >>> x = torch.tensor([[-0.3, -0.1, -0.2]])
        >>> to_sparse_tensor(h).matmul(x.t(), reduce="max").t()
        tensor([[-0.1000, -0.1000, -0.2000]])
    """
    package = _require_torch_sparse()
    _check(kind, orientation)
    sets = _ancestors(hierarchy) if kind == "closure" else _parents(hierarchy)
    below = np.repeat(np.arange(len(sets)), [len(found) for found in sets])
    above = np.fromiter((i for found in sets for i in found), dtype=np.int64, count=len(below))
    row, column = (above, below) if orientation == "descendant_rows" else (below, above)
    return package.SparseTensor(
        row=torch.from_numpy(row), col=torch.from_numpy(column), sparse_sizes=(len(sets),) * 2
    )


def from_sparse_tensor(
    matrix: SparseTensor,
    names: Iterable[str] | None = None,
    *,
    kind: Kind,
    orientation: Orientation,
    check_orientation: bool = True,
) -> Hierarchy:
    """Hierarchy of a matrix as `to_sparse_tensor` makes it.

    A closure is reduced to its direct edges: an edge beside a longer path leaves no trace in it, as
    in `Hierarchy.from_matrix`. What the matrix is has to be said, since that of a chain of two
    classes is all four things.

    Args:
        matrix: `(n, n)`, with entries of one or without values. Its diagonal is full or empty.
        names: The names of the columns; by default "0", "1", and so on.
        kind: "closure", where every ancestor has an entry, or "edges".
        orientation: As in `to_sparse_tensor`.
        check_orientation: Refuse a matrix that has more roots than leaves, because it reads more
            plausibly the other way round.

    Raises:
        TypeError: It is not a SparseTensor.
        HierarchyError: It is not such a matrix, or its orientation is in doubt.
        CycleError: Its edges form a cycle.
        ImportError: As in `to_sparse_tensor`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b/c", "a/d"])
        >>> closure = to_sparse_tensor(h)
        >>> from_sparse_tensor(closure, h.names, kind="closure", orientation="descendant_rows") == h
        True
    """
    package = _require_torch_sparse()
    _check(kind, orientation)
    if not isinstance(matrix, package.SparseTensor):
        raise TypeError(
            f"expected a SparseTensor of torch-sparse, got {type(matrix).__name__}; a dense matrix "
            "is for Hierarchy.from_matrix"
        )
    above = _above(matrix, orientation)
    if kind == "closure":
        above = _reduced(above)
    h = Hierarchy.from_parents([tuple(sorted(parents)) for parents in above], names=names)
    if check_orientation:
        check_roots(len(h.roots), len(h.leaves), orientation)
    return h


def _parents(h: Hierarchy) -> Sets:
    return [set(h.parents(i)) for i in range(len(h))]


def _ancestors(h: Hierarchy) -> Sets:
    """Each class with all its ancestors."""
    found: Sets = [{i} for i in range(len(h))]
    for i in np.argsort(h.levels, kind="stable").tolist():
        found[i].update(*(found[p] for p in h.parents(i)))
    return found


def _above(matrix: SparseTensor, orientation: Orientation) -> Sets:
    """For each class the columns that the matrix has above it, without itself."""
    n, width = matrix.sparse_sizes()
    row, column, value = matrix.cpu().coo()
    if n != width:
        raise HierarchyError(f"expected a square matrix, got shape {(n, width)}")
    if value is not None:
        if value.ndim > 1 or not ((value == 0) | (value == 1)).all():
            raise HierarchyError("expected a matrix of zeros and ones, got other values")
        row, column = row[value == 1], column[value == 1]
    above: Sets = [set() for _ in range(n)]
    pairs = (column, row) if orientation == "descendant_rows" else (row, column)
    for i, j in zip(*(x.tolist() for x in pairs), strict=True):
        above[i].add(j)
    own = sum(i in found for i, found in enumerate(above))
    if own not in (0, n):
        raise HierarchyError(f"expected a full diagonal, or an empty one, got {own} of {n} entries")
    return [found - {i} for i, found in enumerate(above)]


def _reduced(above: Sets) -> Sets:
    """The parents in a closure: ancestors that are no ancestors of an ancestor."""
    parents = []
    for i, found in enumerate(above):
        higher: set[int] = set().union(*(above[j] for j in found))
        if i in higher:
            raise HierarchyError(f"expected no cycle, got column {i} above itself")
        if missing := higher - found:
            raise HierarchyError(
                f"expected a transitively closed matrix, but column {min(missing)} is above an "
                f"ancestor of column {i}, and not above {i}; if these are direct edges, pass "
                'kind="edges"'
            )
        parents.append(found - higher)
    return parents


def _check(kind: Kind, orientation: Orientation) -> None:
    if kind not in get_args(Kind):
        raise ValueError(f"expected kind to be one of {get_args(Kind)}, got {kind!r}")
    check_name(orientation)


def _require_torch_sparse() -> Any:
    try:
        with warnings.catch_warnings():
            # Its own: it still compiles itself with torch.jit.script.
            warnings.simplefilter("ignore", DeprecationWarning)
            import torch_sparse
    except (ImportError, OSError) as error:  # OSError: built for another PyTorch
        raise ImportError(
            f"expected torch-sparse and torch-scatter built for PyTorch {torch.__version__}, got "
            f'{error}; for this pip install --no-build-isolation "hierloss[torch-sparse]"'
        ) from error
    return torch_sparse
