"""What users give to describe a hierarchy, checked and turned into columns."""

from __future__ import annotations

import difflib
import operator
import sys
import warnings
from collections import Counter
from collections.abc import Collection, ItemsView, Iterable, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from hierloss import _dag
from hierloss._dag import Ints
from hierloss.errors import CycleError, HierarchyError, UnknownClassError

OnCycle = Literal["raise", "drop"]
PACKAGES = ("hierloss", "hierloss_adapters")
PAIRS = (tuple, list, np.ndarray)


class Parts(NamedTuple):
    """The arguments of `Hierarchy`."""

    names: list[str]
    child: Ints
    parent: Ints
    dropped: tuple[tuple[str, str], ...] = ()


def from_edges(
    edges: Iterable[tuple[str | int, str | int]], names: Iterable[str] | None, on_cycle: OnCycle
) -> Parts:
    """Columns for edges of names, or for edges of columns."""
    if on_cycle not in ("raise", "drop"):
        raise ValueError(f"expected on_cycle 'raise' or 'drop', got {on_cycle!r}")
    if names is None or on_cycle == "drop":
        _check_ordered(edges, "edges")
    ends = [_end(x) for edge in edges for x in _pair(edge)]
    if len({type(x) for x in ends}) > 1:
        raise TypeError("expected edges of names or of columns, got both strings and integers")
    order = None if names is None else name_list(names)
    if ends and isinstance(ends[0], int):
        order = _numbers(ends) if order is None else order
        column: Mapping[str | int, int] = {i: i for i in range(len(order))}
    else:
        column = {name: i for i, name in enumerate(dict.fromkeys(ends if order is None else order))}
    check_known(ends, column, "an edge has the class")
    found = iter([column[x] for x in ends])
    once = list(dict.fromkeys(zip(found, found, strict=True)))
    pairs = np.array(once, dtype=np.int64).reshape(-1, 2)
    return _acyclic(order, [str(x) for x in column], pairs, on_cycle)


def from_parents(
    parents: Iterable[int | Sequence[int] | None], names: Iterable[str] | None
) -> tuple[list[tuple[int, int]], list[str]]:
    """Edges of columns and names for a parent array."""
    rows = [_parent_row(entry, i) for i, entry in enumerate(parents)]
    order = column_names(names, len(rows))
    return [(child, parent) for child, row in enumerate(rows) for parent in row], order


def from_paths(paths: Iterable[str], sep: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Edges between each path and its beginning, and all paths by level."""
    if isinstance(paths, str):
        raise TypeError(f"expected a sequence of paths, got one string; write [{paths!r}]")
    _check_ordered(paths, "paths")
    check_separator(sep)
    level: dict[str, int] = {}
    edges: dict[tuple[str, str], None] = {}
    for path in paths:
        parts = _path_parts(path, sep)
        chain = [sep.join(parts[: i + 1]) for i in range(len(parts))]
        level.update((name, i) for i, name in enumerate(chain))
        edges.update((edge, None) for edge in zip(chain[1:], chain[:-1], strict=True))
    return list(edges), sorted(level, key=level.__getitem__)


def check_separator(sep: str) -> None:
    """Raise unless it can separate the components of a path."""
    if not isinstance(sep, str) or not sep:
        raise ValueError(f"expected a separator between the components of a path, got {sep!r}")


def name_list(names: Iterable[str]) -> list[str]:
    """The names as a list, each a string and none twice."""
    if isinstance(names, str):
        raise TypeError(f"expected a sequence of names, got the string {names!r}")
    _check_ordered(names, "names")
    names = list(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"expected names that are strings, got {name!r}; write str(...) around identifiers"
            )
    names = [str(name) for name in names]
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise HierarchyError(f"expected names that differ, got {name!r} {count} times")
    return names


def column_names(names: Iterable[str] | None, n: int) -> list[str]:
    """The names of `n` columns, their numbers where none are given."""
    order = [str(i) for i in range(n)] if names is None else name_list(names)
    if len(order) != n:
        raise HierarchyError(f"expected {n} names, one for each column, got {len(order)}")
    return order


def edge_array(child: ArrayLike, parent: ArrayLike, n: int) -> Ints:
    """Edges of columns as one `(2, edges)` array."""
    edges = np.array([child, parent]).reshape(2, -1)
    if edges.size and not np.issubdtype(edges.dtype, np.integer):
        raise TypeError(f"expected columns that are integers, got {edges.dtype}")
    check_known(edges.ravel().tolist(), range(n), "an edge has the class")
    return edges.astype(np.int64)


def check_known(given: Iterable[object], known: Collection[object], where: str) -> None:
    """Raise if one of the given classes is not known, naming it and what resembles it."""
    unknown = list(dict.fromkeys(x for x in given if x not in known))
    if not unknown:
        return
    first = unknown[0]
    near = difflib.get_close_matches(first, map(str, known)) if isinstance(first, str) else []
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    more = f" (and {len(unknown) - 1} more unknown ones)" if len(unknown) > 1 else ""
    raise UnknownClassError(f"{where} {first!r}{more}, which is none of {len(known)} known{hint}")


def some(names: Sequence[str], n: int = 5) -> str:
    """The first of some names, and whether there are more."""
    return ", ".join(map(repr, names[:n])) + (", ..." if len(names) > n else "")


def aliases(given: Mapping[str, str], columns: Mapping[str, int]) -> dict[str, str]:
    """The aliases, each of which must lead to a class and be the name of none."""
    name_list(given)
    check_known(given.values(), columns, "an alias leads to the class")
    taken = next((alias for alias in given if alias in columns), None)
    if taken is not None:
        raise HierarchyError(f"expected aliases that are no names of classes, got {taken!r}")
    return dict(given)


def merged(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Aliases and further ones, none of which may change where one leads."""
    for alias, name in new.items():
        if old.get(alias, name) != name:
            raise HierarchyError(
                f"expected new aliases, got {alias!r}, which leads to {old[alias]!r} already"
            )
    return {**old, **new}


def _acyclic(order: list[str] | None, seen: list[str], pairs: Ints, on_cycle: OnCycle) -> Parts:
    names = seen if order is None else order
    _check_loops(names, pairs)
    dropped: tuple[tuple[str, str], ...] = ()
    if on_cycle == "drop":
        keep = _dag.without_cycles(pairs[:, 0], pairs[:, 1], len(names))
        dropped = tuple((names[c], names[p]) for c, p in pairs[~keep].tolist())
        pairs = pairs[keep]
        _warn_dropped(dropped)
    if order is None:
        by_level = np.argsort(levels(pairs[:, 0], pairs[:, 1], names), kind="stable")
        pairs = np.argsort(by_level, kind="stable")[pairs]
        names = [names[i] for i in by_level.tolist()]
    return Parts(names, pairs[:, 0], pairs[:, 1], dropped)


def _check_loops(names: Sequence[str], pairs: Ints) -> None:
    loops = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
    if loops.size:
        name = names[pairs[loops[0], 0]]
        raise HierarchyError(
            f"expected edges between two classes, got the self-loop {name!r} -> {name!r}; "
            "leave it out, a root is a class without parents"
        )


def levels(child: Ints, parent: Ints, names: Sequence[str]) -> Ints:
    """The level of each class; raises a CycleError that names a cycle."""
    level = _dag.longest_paths(child, parent, len(names))
    if (level < 0).any():
        raise CycleError(tuple(names[i] for i in _dag.find_cycle(child, parent, len(names))))
    return level


def _warn_dropped(dropped: tuple[tuple[str, str], ...]) -> None:
    if dropped:
        shown = ", ".join(f"{c} -> {p}" for c, p in dropped[:5]) + (", ..." if dropped[5:] else "")
        warnings.warn(
            f"dropped {len(dropped)} edges (child -> parent) that close a cycle: {shown}",
            stacklevel=_frames_inside(),
        )


def _frames_inside() -> int:
    """How many frames up the code that called hierloss is, seen from the caller."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in PACKAGES:
        level, frame = level + 1, frame.f_back
    return level


def _check_ordered(given: object, what: str) -> None:
    """Raise for a set: the order of classes follows from what is given."""
    if isinstance(given, AbstractSet) and not isinstance(given, (KeysView, ItemsView)):
        raise TypeError(
            f"expected {what} in an order, got a {type(given).__name__}, whose order may differ "
            f"from process to process; pass sorted({what})"
        )


def _pair(edge: object) -> tuple[object, object]:
    if not isinstance(edge, PAIRS) or len(edge) != 2:
        raise TypeError(
            f"expected edges that are (child, parent) pairs, got {edge!r}; of a data frame pass "
            "frame.itertuples(index=False)"
        )
    return edge[0], edge[1]


def _end(x: object) -> str | int:
    if isinstance(x, str):
        return str(x)
    if isinstance(x, (bool, np.bool_)) or not isinstance(x, SupportsIndex):
        raise TypeError(
            f"expected a class given by name (a string) or column (an integer), got {x!r}"
        )
    return operator.index(x)


def _numbers(ends: Sequence[str | int]) -> list[str]:
    used = {int(x) for x in ends}
    if min(used) < 0 or len(used) < max(used) + 1:
        raise HierarchyError(
            f"expected integers that are the columns 0 to {len(used) - 1}, got {len(used)} "
            f"integers from {min(used)} to {max(used)}; if they are identifiers, give them as "
            "strings; if some classes have no edge, give names"
        )
    return [str(i) for i in range(len(used))]


def _parent_row(entry: int | Sequence[int] | None, i: int) -> list[int]:
    if entry is None:
        return []
    row = [_end(x) for x in entry] if isinstance(entry, PAIRS) else [_end(entry)]
    if any(isinstance(x, str) for x in row):
        raise TypeError(
            f"expected a column, a tuple of columns, None or -1 as parents of column {i}, "
            f"got {entry!r}; for names use from_edges"
        )
    return [] if row == [-1] and not isinstance(entry, PAIRS) else [int(x) for x in row]


def _path_parts(path: object, sep: str) -> list[str]:
    if not isinstance(path, str):
        raise TypeError(f"expected paths that are strings, got {path!r}")
    parts = path.split(sep)
    if not all(parts):
        raise HierarchyError(
            f"expected components between the separators {sep!r}, got an empty one in {path!r}"
        )
    if any(part != part.strip() for part in parts):
        raise HierarchyError(
            f"expected components without blanks around them, got {path!r}, which would be another "
            f"class than {sep.join(part.strip() for part in parts)!r}; strip them"
        )
    return parts
