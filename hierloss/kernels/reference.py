r"""The reference kernels, in plain PyTorch: they define what every other kernel computes.

A route says for each class and sample which class decides. All tensors are `(n, samples)`, one row
a class. Routes are constant between ties, so they carry no gradient.

Ties are settled by `torch.max`, which returns the first of equal entries: a class itself comes
first in its row, then its neighbours in column order. It also lets NaN win.

`raised` and `lowered` are what is exported: the scores themselves, in fewer and plainer steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hierloss.topology import Direction, Topology

__all__ = ["lowered", "max_routes", "mc_routes", "min_routes", "raised", "reach"]


@torch.no_grad()
def max_routes(scores: Tensor, topology: Topology) -> Tensor:
    """The best-scoring class among each class and its descendants."""
    return _follow(scores, topology, "descendants")


@torch.no_grad()
def min_routes(scores: Tensor, topology: Topology, closure: bool) -> Tensor:
    """The lowest-scoring class among each class and its parents, or all its ancestors."""
    if closure:
        return _follow(-scores, topology, "ancestors")
    routes = _own(scores)
    for table in topology.rounds("parents"):
        slot = _gather(scores, table).min(1)[1]
        routes[table[:, 0]] = table.gather(1, slot)
    return routes


@torch.no_grad()
def mc_routes(scores: Tensor, positive: Tensor, closed: Tensor, topology: Topology) -> Tensor:
    """The deciding class of MCLoss: the best of D(A), among positives only where A is positive.

    Args:
        scores: `(n, samples)`.
        positive: Which targets are known to be positive.
        closed: `reach` of it. It differs where an unknown target has a positive descendant.
        topology: The hierarchy.
    """
    best = scores.masked_fill(closed & ~positive, -torch.inf)
    routes = _own(best)
    for table in topology.rounds("descendants"):
        label = _gather(closed, table)
        branch = _gather(best, table).masked_fill_(label < label[:, :1], -torch.inf)
        _advance(best, routes, table, branch)
    return routes


@torch.no_grad()
def reach(positive: Tensor, topology: Topology) -> Tensor:
    """The classes that are positive or have a positive descendant."""
    closed = positive.clone()
    for table in topology.rounds("descendants"):
        closed[table[:, 0]] = _gather(closed, table).any(1)
    return closed


def raised(scores: Tensor, topology: Topology) -> Tensor:
    """The best score among each class and its descendants: MCM, with the gradient of its routes."""
    return _swept(scores, topology, "descendants")


def lowered(scores: Tensor, topology: Topology, closure: bool) -> Tensor:
    """The lowest score among each class and its parents, or all its ancestors: LMC."""
    return -_swept(-scores, topology, "ancestors" if closure else "parents")


def _swept(best: Tensor, topology: Topology, direction: Direction) -> Tensor:
    for level in topology.levels(direction):
        columns = torch.cat([table[:, 0] for table in level])
        values = torch.cat([_gather(best, table).max(1)[0] for table in level])
        best = best.index_copy(0, columns, values)
    return best


def _follow(scores: Tensor, topology: Topology, direction: Direction) -> Tensor:
    best, routes = scores.clone(), _own(scores)
    for table in topology.rounds(direction):
        _advance(best, routes, table, _gather(best, table))
    return routes


def _advance(best: Tensor, routes: Tensor, table: Tensor, candidates: Tensor) -> None:
    value, slot = candidates.max(1)
    best[table[:, 0]] = value
    routes[table[:, 0]] = routes.gather(0, table.gather(1, slot))


def _gather(rows: Tensor, table: Tensor) -> Tensor:
    return rows.index_select(0, table.reshape(-1)).view(*table.shape, -1)


def _own(scores: Tensor) -> Tensor:
    own = torch.arange(scores.shape[0], device=scores.device)
    # Not by copy_, which does not broadcast once it is exported to ONNX.
    return torch.zeros_like(scores, dtype=torch.int64) + own[:, None]
