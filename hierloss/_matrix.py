"""Dense ancestor matrices, read with a check of their orientation."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hierloss._dag import Bools, Ints
from hierloss.errors import HierarchyError

Orientation = Literal["descendant_rows", "ancestor_rows"]


def edges(
    matrix: ArrayLike | Tensor, orientation: Orientation, check: bool
) -> tuple[int, Ints, Ints]:
    """Number of classes, and child and parent columns of the transitive reduction."""
    check_name(orientation)
    below = _strict(matrix)
    if orientation == "ancestor_rows":
        below = below.T
    between = _two_steps(below)
    if (between & ~below).any():
        i, k = np.argwhere(between & ~below)[0].tolist()
        j = int(np.flatnonzero(below[i] & below[:, k])[0])
        raise HierarchyError(
            f"expected a transitively closed matrix, but {k} is below {j} and {j} below {i}, and "
            f"{k} not below {i}; if these are direct edges, use from_edges with their columns"
        )
    direct = below & ~between
    if check:
        roots, leaves = (int((~direct.any(axis)).sum()) for axis in (0, 1))
        check_roots(roots, leaves, orientation)
    parent, child = np.nonzero(direct)
    return len(below), child, parent


def _strict(matrix: ArrayLike | Tensor) -> Bools:
    if isinstance(matrix, Tensor):
        matrix = matrix.detach().to_dense().cpu().double().numpy()
    m = np.asarray(matrix)
    if m.ndim != 2 or m.shape[0] != m.shape[1]:
        raise HierarchyError(f"expected a square matrix, got shape {m.shape}")
    if not np.isin(m, (0, 1)).all():
        raise HierarchyError("expected a matrix of zeros and ones, got other values")
    below = m.astype(bool)
    diagonal = below.diagonal()
    if diagonal.any() and not diagonal.all():
        raise HierarchyError("expected a diagonal of ones, or of zeros, got both")
    below = below.copy()
    np.fill_diagonal(below, False)
    both = np.argwhere(below & below.T)
    if both.size:
        raise HierarchyError(f"expected no cycle, got classes {both[0].tolist()} below each other")
    return below


def _two_steps(below: Bools) -> Bools:
    step = torch.from_numpy(below).float()
    return np.asarray((step @ step > 0).numpy())


def check_name(orientation: Orientation) -> None:
    """Raise unless an orientation is one."""
    if orientation not in get_args(Orientation):
        raise ValueError(
            f"expected orientation 'descendant_rows' or 'ancestor_rows', got {orientation!r}"
        )


def check_roots(roots: int, leaves: int, orientation: Orientation) -> None:
    """Raise if a hierarchy narrows downward, as one does that is read the other way round."""
    if roots > leaves:
        other = "ancestor_rows" if orientation == "descendant_rows" else "descendant_rows"
        raise HierarchyError(
            f"expected no more roots than leaves, got {roots} roots and {leaves} leaves with "
            f"orientation={orientation!r}: pass orientation={other!r}, or check_orientation=False "
            "if the hierarchy really narrows downward"
        )
