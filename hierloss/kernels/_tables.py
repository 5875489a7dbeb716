"""A hierarchy as one flat array of integers, which is all that an accelerated kernel is given."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hierloss._dag import Ints

__all__ = ["Tables", "pack", "unpack"]

Array = TypeVar("Array")

#: Children of a class, at most, of each kind but the last; a class of kind k has up to 4**k.
MOST = (0, 4, 16, 64)
KINDS = len(MOST) + 1
#: Neighbours that a tile has room for, or classes where they have none.
TILE = 512


class Tables(NamedTuple, Generic[Array]):
    """Classes by position: a parent comes before its children, level by level.

    An edge has a number in the lists of children, and another in the lists of parents.

    Attributes:
        level: Where each level starts, and where the last one ends.
        column: The column of the class at each position.
        rank: The position of the class of each column.
        child_start: Where the children of each position start in `child`, and where they end.
        child: Positions of children, those of one class in the order of their columns.
        child_edge: The number of each entry of `child` in the lists of parents.
        parent_start: Where the parents of each position start in `parent`, and where they end.
        parent: Positions of parents, those of one class in the order of their columns.
        parent_edge: The number of each entry of `parent` in the lists of children.
        kind: Where in each level the classes of each kind start, by the number of their children:
            none, up to 4, 16 and 64, and more. Those with fewer come first.
        tile: Classes of one level and kind that are looked at together, as many as there is room
            for in `TILE`: where they start, where they end, and the kind.
    """

    level: Array
    column: Array
    rank: Array
    child_start: Array
    child: Array
    child_edge: Array
    parent_start: Array
    parent: Array
    parent_edge: Array
    kind: Array
    tile: Array


#: The number of each table.
NUMBER = Tables(*range(len(Tables._fields)))


def pack(child: Ints, parent: Ints, levels: Ints) -> NDArray[np.int32]:
    """The tables of a hierarchy behind each other, the length of each before them all."""
    n = len(levels)
    children = np.bincount(parent, minlength=n)
    parents = np.bincount(child, minlength=n)
    # Within a level, classes with as many neighbours stand together: branches are foreseen.
    column = np.lexsort((np.arange(n), parents, children, levels))
    rank = np.empty(n, dtype=np.int64)
    rank[column] = np.arange(n)
    downward = np.lexsort((child, rank[parent]))
    upward = np.lexsort((parent, rank[child]))
    level = np.searchsorted(levels[column], np.arange(levels.max(initial=-1) + 2))
    kinds = np.searchsorted(MOST, children)
    numbers = np.bincount(levels * KINDS + kinds, minlength=KINDS * (len(level) - 1))
    kind = np.cumsum(np.column_stack([level[:-1], numbers.reshape(-1, KINDS)]), 1)
    tables = Tables(
        level=level,
        column=column,
        rank=rank,
        child_start=_starts(children[column]),
        child=rank[child[downward]],
        child_edge=_inverse(upward)[downward],
        parent_start=_starts(parents[column]),
        parent=rank[parent[upward]],
        parent_edge=_inverse(downward)[upward],
        kind=kind[:, :-1].ravel(),
        tile=_tiles(kind).ravel(),
    )
    lengths = np.array([len(table) for table in tables])
    return np.concatenate([lengths, *tables]).astype(np.int32)


def _tiles(kind: Ints) -> Ints:
    """The tiles, of where the kinds of each level start and the last one ends."""
    first, stop = kind[:, :-1].ravel(), kind[:, 1:].ravel()
    k = np.tile(np.arange(KINDS), len(kind))
    rows = TILE >> 2 * k
    tiles = -(-(stop - first) // rows)
    number = np.arange(tiles.sum()) - np.repeat(np.cumsum(tiles) - tiles, tiles)
    first, stop, k, rows = (np.repeat(x, tiles) for x in (first, stop, k, rows))
    first = first + number * rows
    return np.column_stack([first, np.minimum(first + rows, stop), k])


def unpack(flat: Any) -> Tables[Any]:
    """Views of the tables in an array, or a tensor, that `pack` made."""
    count = len(Tables._fields)
    stops = count + np.cumsum(np.asarray(flat[:count]))
    starts = [count, *stops[:-1]]
    return Tables(*(flat[start:stop] for start, stop in zip(starts, stops, strict=True)))


def _starts(count: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(count)])


def _inverse(order: Ints) -> Ints:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse
