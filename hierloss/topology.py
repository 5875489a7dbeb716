"""A hierarchy as tables of columns on a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from hierloss import _dag, kernels
from hierloss._dag import Ints, Neighbours
from hierloss._placed import Placed
from hierloss.kernels import _tables

if TYPE_CHECKING:
    from hierloss.hierarchy import Hierarchy

__all__ = ["Topology"]

Direction = Literal["descendants", "parents", "ancestors"]

# Rows gathered at once: with a few dozen samples they stay in a core's cache.
BLOCK = 8192


class Topology(Placed):
    r"""The index tables of a hierarchy, which follow the module that holds them to its device.

    Every layer and loss has one, and every function of `hierloss.functional` takes one in place
    of a hierarchy. They are neither parameters nor buffers, and not part of a checkpoint.

    A table is a sequence of rounds. A round is `(m, width)`: a row holds a class and its
    neighbours in column order, filled up with the class itself. In the order of the rounds each
    class comes after the neighbours it depends on: "descendants" goes from the leaves up,
    "ancestors" from the roots down along parents, and "parents" is one step without an order.
    Rounds that do not depend on each other are a level. The fast kernels have one flat array of
    their own, `tables`. Beside these, `child` and `parent` have the columns of the edges, and
    `level` the level of each class.

    Args:
        hierarchy: The hierarchy.

    Example:
        >>> from hierloss import Hierarchy
        >>> topology = Topology(Hierarchy.from_parents([None, 0, 0, (1, 2)]))
        >>> [table.tolist() for table in topology.rounds("descendants")]
        [[[1, 3], [2, 3]], [[0, 1, 2, 0]]]
    """

    descendants: Tensor
    parents: Tensor
    ancestors: Tensor
    tables: Tensor
    child: Tensor
    parent: Tensor
    level: Tensor

    def __init__(self, hierarchy: Hierarchy) -> None:
        from hierloss.hierarchy import Hierarchy

        super().__init__()
        if not isinstance(hierarchy, Hierarchy):
            raise TypeError(f"expected a Hierarchy, got {type(hierarchy).__name__}")
        self.hierarchy = hierarchy
        self._shapes: dict[str, list[list[tuple[int, int]]]] = {}
        with torch.inference_mode(False), torch.device("cpu"):  # it is for training as well
            self._fill()
        kernels.settle()

    def _fill(self) -> None:
        h = self.hierarchy
        child, parent = h.edge_index
        height = _dag.longest_paths(parent, child, len(h))
        self._register("descendants", h._down, height)
        self._register("parents", h._up, np.zeros_like(height))
        self._register("ancestors", h._up, h.levels)
        packed = _tables.pack(child, parent, h.levels)
        self.hold("tables", torch.from_numpy(packed))
        for name, table in (("child", child), ("parent", parent), ("level", h.levels)):
            self.hold(name, torch.from_numpy(table.copy()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch gives it no types
        kernels.settle()

    @staticmethod
    def of(hierarchy: Hierarchy, device: torch.device) -> Topology:
        """The topology of a hierarchy on a device, made once."""
        cache: dict[torch.device, Topology] = getattr(hierarchy, "_cache", {})
        if device in cache:
            return cache[device]
        # Not traced. As a decorator it would import the whole compiler with this module.
        compiling = torch.compiler.is_compiling()
        make = torch.compiler.disable(_make) if compiling else _make  # type: ignore[no-untyped-call]  # torch gives it no types
        made: Topology = make(hierarchy, device)
        if type(made.parents) is Tensor:  # not a tracer's, which must not outlive it
            cache[device] = made
        return made

    def on(self, device: torch.device) -> Topology:
        """This topology, or that of its hierarchy where its tables are on another device."""
        return self if self.tables.device == device else Topology.of(self.hierarchy, device)

    def rounds(self, direction: Direction) -> Iterator[Tensor]:
        """The rounds of one table."""
        for level in self.levels(direction):
            yield from level

    def levels(self, direction: Direction) -> Iterator[list[Tensor]]:
        """The rounds of one table, level by level."""
        levels = self._shapes[direction]
        flat: Tensor = getattr(self, direction)
        blocks = iter(torch.split(flat, [m * width for level in levels for m, width in level]))
        for level in levels:
            yield [next(blocks).view(shape) for shape in level]

    def _register(self, direction: Direction, neighbours: Neighbours, order: Ints) -> None:
        levels = [list(_rounds(neighbours, nodes)) for nodes in _levels(neighbours, order)]
        rounds = [table.ravel() for level in levels for table in level]
        flat = np.concatenate([np.empty(0, dtype=np.int64), *rounds])
        self._shapes[direction] = [[table.shape for table in level] for level in levels]
        self.hold(direction, torch.from_numpy(flat))

    def extra_repr(self) -> str:
        return repr(self.hierarchy)


def _make(hierarchy: Hierarchy, device: torch.device) -> Topology:
    with torch.inference_mode(False):
        return Topology(hierarchy).place(device)


def check_tensor(x: object, what: str) -> None:
    """Raise unless something is a tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"expected {what} that is a Tensor, got {type(x).__name__}")


def dense(x: Tensor, what: str) -> Tensor:
    """A tensor in the plain layout."""
    check_tensor(x, what)
    return x if x.layout == torch.strided else x.to_dense()


def check_strided(x: Tensor, what: str) -> None:
    """Raise if a tensor is sparse."""
    if x.layout != torch.strided:
        raise TypeError(f"expected {what} that is a dense Tensor, got a sparse one; use to_dense()")


def check_classes(x: Tensor, what: str, h: Hierarchy) -> None:
    """Raise unless the last dimension of a tensor has one entry a class."""
    check_tensor(x, what)
    if x.ndim == 0 or x.shape[-1] != len(h):
        raise ValueError(
            f"expected {what} with the {len(h)} classes of the hierarchy in the last dimension, "
            f"got shape {tuple(x.shape)}"
        )


def check_shape(x: Tensor, what: str, shape: torch.Size) -> None:
    """Raise unless a tensor has a given shape."""
    check_tensor(x, what)
    if x.shape != shape:
        raise ValueError(f"expected {what} of shape {tuple(shape)}, got {tuple(x.shape)}")


def flat(x: Tensor) -> Tensor:
    """`(*, n)` as `(samples, n)`."""
    return x.reshape(-1, x.shape[-1])


def to_rows(x: Tensor) -> Tensor:
    """`(*, n)` as contiguous `(n, samples)`, where what belongs to a class is one row."""
    return x.reshape(-1, x.shape[-1]).t().contiguous()


def from_rows(rows: Tensor, shape: torch.Size) -> Tensor:
    """The way back from `to_rows`."""
    return rows.t().contiguous().view(shape)


def _levels(neighbours: Neighbours, order: Ints) -> list[Ints]:
    nodes = np.argsort(order, kind="stable")
    nodes = nodes[neighbours.count[nodes] > 0]
    return np.split(nodes, np.flatnonzero(np.diff(order[nodes])) + 1) if nodes.size else []


def _rounds(neighbours: Neighbours, nodes: Ints) -> Iterator[Ints]:
    width = np.left_shift(1, np.ceil(np.log2(neighbours.count[nodes] + 1)).astype(np.int64))
    for w in np.unique(width):
        group, step = nodes[width == w], max(1, BLOCK // int(w))
        for start in range(0, group.size, step):
            yield _table(neighbours, group[start : start + step], int(w))


def _table(neighbours: Neighbours, nodes: Ints, width: int) -> Ints:
    table = np.repeat(nodes[:, None], width, axis=1)
    filled = np.arange(width - 1) < neighbours.count[nodes][:, None]
    table[:, 1:][filled] = neighbours.of(nodes)
    return table
