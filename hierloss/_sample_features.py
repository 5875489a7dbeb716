"""The columns of tables that hold features: a number in each cell, or a list of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The names of the features in each column.
Parts = Mapping[str, Sequence[str]]


def parts(path: Path, columns: Sequence[str]) -> Parts:
    """The features of all these columns: ``x[0]``, ``x[1]`` and so on of a column of lists."""
    from hierloss_adapters.tabular import list_sizes

    sizes = list_sizes(path, columns)
    empty = next((x for x in sizes if not sizes[x]), None)
    if empty is not None:
        raise ValueError(
            f"{path}: expected lists of numbers in the column {empty!r}, got none, or an empty one "
            "first; pass the column as ignore= if it is no feature"
        )
    found = {x: _listed(x, sizes[x]) if x in sizes else [x] for x in columns}
    name, count = Counter(chain(*found.values())).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{path}: expected features with names of their own, got {name!r} twice; call the "
            "column otherwise"
        )
    return found


def parts_of(wanted: Iterable[str], columns: Iterable[str]) -> Parts:
    """Where these features are, among the columns that there are.

    Example:
        >>> parts_of(["x[0]", "x[1]", "y"], ["x", "y", "z"])
        {'x': ['x[0]', 'x[1]'], 'y': ['y']}
    """
    known = set(columns)
    groups: dict[str, list[str]] = {}
    for name in wanted:
        column = re.sub(r"\[[0-9]+\]$", "", name)
        groups.setdefault(name if name in known or column not in known else column, []).append(name)
    found: dict[str, list[str]] = {}
    for column, own in groups.items():
        listed = _listed(column, len(own))
        found |= {column: listed} if set(listed) == set(own) else {x: [x] for x in own}
    return found


def to_features(
    path: Path,
    columns: Mapping[str, Sequence[object]],
    parts: Parts,
    names: Sequence[str],
    first: int,
) -> NDArray[np.float64]:
    """The features of these names, `(rows, names)`; `first` is the number of the first row."""
    from hierloss_adapters.tabular import matrix, numbers

    found = np.empty((len(next(iter(columns.values()))), len(names)))
    place = {name: i for i, name in enumerate(names)}
    for column, own in parts.items():
        where = f"{path}, column {column!r}"
        if list(own) == [column]:
            found[:, place[column]] = numbers(columns[column], where, first)
        else:
            found[:, [place[x] for x in own]] = matrix(columns[column], len(own), where, first)
    check_size(path, found, names, first)
    return found


def check_size(path: Path, features: NDArray[Any], names: Sequence[str], first: int) -> None:
    """Raise if a feature is too large for a network."""
    large = np.argwhere(np.abs(features) > np.finfo(np.float32).max)
    if len(large):
        row, column = large[0]
        raise ValueError(
            f"{path}, column {names[column]!r}, row {first + row}: expected a number that float32 "
            f"can hold, got {features[row, column]:g}"
        )


def _listed(column: str, n: int) -> list[str]:
    return [f"{column}[{i}]" for i in range(n)]
