"""Graphs of networkx, lists of edges and lists of paths."""

from __future__ import annotations

import csv
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hierloss import Hierarchy, HierarchyError
from hierloss._input import OnCycle, check_known, check_separator
from hierloss_adapters import _files
from hierloss_adapters._edge_rows import check_given, delimiter_of, edge_rows, header, pair
from hierloss_adapters._files import Source, at, check_columns

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["from_networkx", "read_edges", "read_paths", "to_networkx", "write_edges"]

Direction = Literal["child_to_parent", "parent_to_child"]
Attributes = Mapping[str, Mapping[str, object]]


def from_networkx(
    graph: nx.DiGraph[Any],
    *,
    direction: Direction,
    relations: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    on_cycle: OnCycle = "raise",
) -> Hierarchy:
    """Hierarchy of a directed graph, isolated nodes included.

    Args:
        graph: A `networkx.DiGraph` or `networkx.MultiDiGraph`, whose parallel edges count once.
            Its nodes are names, or all of them are columns, as in `Hierarchy.from_edges`.
        relations: The keys of the edges that lead to a parent, such as "is_a" and "part_of" in a
            graph of obonet. They have to be said where edges have several names.
        direction: What an edge of the graph leads from and to; it is said, never guessed.
        names: The column order. Without it, classes are ordered by level, then as the nodes of
            the graph, and columns are named by their numbers.
        on_cycle: As in `Hierarchy.from_edges`, with the same errors.

    Raises:
        TypeError: The graph has no directions, or a node is neither a string nor an integer.
        ValueError: Edges are of several relations and none is chosen, or one that there is not.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("animal", "cat"), ("animal", "dog")])
        >>> from_networkx(graph, direction="parent_to_child").edges
        (('cat', 'animal'), ('dog', 'animal'))
    """
    _check_directed(graph)
    _check_direction(direction)
    nodes = list(graph)
    edges = [_oriented(edge, direction) for edge in _followed(graph, relations)]
    if _are_columns(nodes):
        order = [str(i) for i in range(len(nodes))] if names is None else list(names)
        _check_columns(nodes, len(order))
        return Hierarchy.from_edges(edges, order, on_cycle=on_cycle)
    if names is None:
        return by_level(nodes, edges, on_cycle=on_cycle)
    order = list(names)
    check_known(nodes, set(order), "the graph has the class")
    return Hierarchy.from_edges(edges, order, on_cycle=on_cycle)


def to_networkx(
    hierarchy: Hierarchy,
    *,
    direction: Direction = "child_to_parent",
    nodes: Attributes | None = None,
    edges: Mapping[Any, Mapping[str, object]] | None = None,
) -> nx.DiGraph[str]:
    """Graph of a hierarchy: the nodes are names, each with its `column` and its `level`.

    A hierarchy has no attributes, but takes none away from the graph that it was made of:
    ``nodes=graph.nodes, edges=graph.edges`` puts them back. What belongs to no class and to no edge
    is left out, such as the terms of other namespaces. Where any of the given nodes has an
    attribute called `column` or `level`, that is what it means: no node gets ours of that name.

    Args:
        hierarchy: The hierarchy, whose column order is that of the nodes.
        direction: What an edge of the graph leads from and to.
        nodes: Attributes of classes, by the name of the class or by its column, an integer.
        edges: Attributes of edges, by the pair of names or columns that the edge of the graph leads
            from and to. With a third entry, the key of a parallel edge, the graph is a
            `networkx.MultiDiGraph`.

    Raises:
        ValueError: There are attributes, but none is that of a class, or of an edge.

    Example:
        >>> h = Hierarchy.from_edges([("cat", "animal")])
        >>> to_networkx(h, nodes={"cat": {"label": "Katze"}}).nodes["cat"]
        {'label': 'Katze', 'column': 1, 'level': 1}
    """
    _check_direction(direction)
    nodes = {_named(hierarchy, key): given for key, given in (nodes or {}).items()}
    edges = {
        (_named(hierarchy, low), _named(hierarchy, high), *parallel): given
        for (low, high, *parallel), given in (edges or {}).items()
    }
    pairs = [_oriented(edge, direction) for edge in hierarchy.edges]
    _check_some(nodes, hierarchy, "the name or the column of a class")
    _check_some((key[:2] for key in edges), set(pairs), f"an edge in the direction {direction}")
    graph = _empty(any(len(key) > 2 for key in edges))
    given = {key for attributes in nodes.values() for key in attributes}
    for column, (name, level) in enumerate(zip(hierarchy, hierarchy.levels.tolist(), strict=True)):
        own = {k: x for k, x in (("column", column), ("level", level)) if k not in given}
        graph.add_nodes_from([(name, {**nodes.get(name, {}), **own})])
    found: dict[tuple[str, str], list[Any]] = {pair: [] for pair in pairs}
    for key, attributes in edges.items():
        if key[:2] in found:
            found[key[:2]].append((*key, dict(attributes)))
    graph.add_edges_from(edge for pair in pairs for edge in found[pair] or [pair])
    return graph


def read_edges(
    path: Source,
    *,
    columns: Sequence[str] | None = None,
    child: str = "child",
    parent: str = "parent",
    delimiter: str | None = None,
    on_cycle: OnCycle = "raise",
    encoding: str = "utf-8",
) -> Hierarchy:
    r"""Hierarchy of a file with an edge in each row, such as a CSV file.

    Which cell is the child is said by the file or by the caller, never guessed. A row whose parent
    is empty declares a class, for instance a root. Blanks around a cell do not count, nor do lines
    before the first row that start with ``#``. Classes are ordered by level, then by first
    appearance.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        columns: The columns of a file without a header, in their order, ``("child", "parent")``
            for instance. Without it, the first row is a header.
        child: What the column of children is called. Other columns do not count.
        parent: What the column of parents is called.
        delimiter: What separates two cells; by default a comma in a ``.csv`` file and a tab in a
            ``.tsv``, ``.tab`` or ``.txt`` file.
        on_cycle: As in `Hierarchy.from_edges`.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A row is malformed, as the message says with its line, or the edges are no
            hierarchy.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.csv")
        ...     _ = path.write_text("child,parent\ncat,animal\ndog,animal\n")
        ...     read_edges(path)
        Hierarchy(3 classes, 2 edges, 1 root, depth 1, tree)
    """
    delimiter = delimiter_of(path, delimiter)
    rows = list(edge_rows(path, delimiter, encoding))
    line, first = rows[0] if rows else (1, [])
    if child == parent:
        raise ValueError(f"expected two columns, got {child!r} as child and as parent")
    if columns is None:
        check_columns(path, line, first, delimiter)
        columns, rows = header(path, line, first, child, parent), rows[1:]
    else:
        check_given(columns, path, line, first, child, parent)
    ends = columns.index(child), columns.index(parent)
    pairs = [pair(path, line, row, columns, *ends) for line, row in rows]
    names = dict.fromkeys(name for both in pairs for name in both if name)
    if not names:
        raise HierarchyError(f"{path}: expected at least one row, got none")
    edges = [(child, parent) for child, parent in pairs if parent]
    return by_level(names, edges, on_cycle=on_cycle)


def write_edges(hierarchy: Hierarchy, path: Source, *, delimiter: str | None = None) -> None:
    """Write a hierarchy as rows child, parent below a header; `read_edges` reads it.

    The rows are in the column order of the child, a class without parents has one with an empty
    parent. Aliases are not written.

    Args:
        hierarchy: The hierarchy.
        path: The file; a last suffix ``.gz``, ``.bz2`` or ``.xz`` compresses it.
        delimiter: As in `read_edges`.

    Raises:
        HierarchyError: A name is empty, has blanks around it or a line break in it.
    """
    _check_writable(hierarchy)
    delimiter = delimiter_of(path, delimiter)
    with _files.writing(path) as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(("child", "parent"))
        for name in hierarchy:
            writer.writerows((name, parent) for parent in hierarchy.parents(name) or ("",))


def read_paths(path: Source, *, sep: str = "/", encoding: str = "utf-8") -> Hierarchy:
    r"""Hierarchy of a file with a path in each line, as `Hierarchy.from_paths` understands them.

    Args:
        path: The file, plain or compressed. Blank lines and those that start with ``#`` do not
            count.
        sep: What separates the components of a path; blanks around those do not count.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A path has an empty component, as the message says with its line, or there
            is no path.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "funcat.txt")
        ...     _ = path.write_text("01/01/03\n02\n")
        ...     read_paths(path).names
        ('01', '02', '01/01', '01/01/03')
    """
    check_separator(sep)
    lines = [line.rstrip("\r\n") for line in _files.read_lines(path, encoding)]
    paths = []
    for i, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            parts = [part.strip() for part in line.split(sep)]
            if not all(parts):
                raise at(path, i, f"expected components between separators {sep!r}, got {line!r}")
            paths.append(sep.join(parts))
    if not paths:
        raise HierarchyError(f"{path}: expected at least one path, got none")
    return Hierarchy.from_paths(paths, sep)


def by_level(
    names: Iterable[str],
    edges: Iterable[tuple[str, str]],
    *,
    aliases: Mapping[str, str] | None = None,
    on_cycle: OnCycle = "raise",
) -> Hierarchy:
    """Hierarchy of (child, parent) edges in the order of level, then of the names given.

    Example:
        >>> by_level(["cat", "stone", "animal"], [("cat", "animal")]).names
        ('stone', 'animal', 'cat')
    """
    h = Hierarchy.from_edges(edges, names, on_cycle=on_cycle)
    order = np.argsort(h.levels, kind="stable")
    child, parent = np.argsort(order, kind="stable")[h.edge_index]
    return Hierarchy([h.names[i] for i in order.tolist()], child, parent, aliases, h.dropped)


def _oriented(edge: tuple[Any, Any], direction: Direction) -> tuple[Any, Any]:
    return edge if direction == "child_to_parent" else (edge[1], edge[0])


def _named(hierarchy: Hierarchy, node: Any) -> Any:
    """The name of the class of a column; a node that is none stays what it is."""
    return hierarchy.names[node] if _is_column(node) and 0 <= node < len(hierarchy) else node


def _empty(parallel: bool) -> nx.DiGraph[str]:
    import networkx as nx

    return nx.MultiDiGraph() if parallel else nx.DiGraph()


def _check_some(given: Iterable[Any], known: Container[Any], what: str) -> None:
    keys = list(given)
    if keys and not any(key in known for key in keys):
        raise ValueError(f"expected attributes by {what}, got those of {keys[0]!r}")


def _check_direction(direction: str) -> None:
    if direction not in ("child_to_parent", "parent_to_child"):
        raise ValueError(
            f"expected direction 'child_to_parent' or 'parent_to_child', got {direction!r}"
        )


def _followed(graph: nx.DiGraph[Any], relations: Iterable[str] | None) -> list[tuple[Any, Any]]:
    """The edges of the chosen relations, or all where there is nothing to choose."""
    if isinstance(relations, str):
        raise TypeError(f"expected a sequence of relations, got a string; write ({relations!r},)")
    keyed: Any = graph
    edges = list(keyed.edges(keys=True)) if graph.is_multigraph() else []
    known = {key for *_, key in edges if isinstance(key, str)}
    if relations is None and len(known) < 2:
        return list(graph.edges())
    wanted = set(relations or ())
    if not wanted or not wanted <= known:
        got = sorted(wanted - known) or "none"
        raise ValueError(
            f"expected relations that lead to a parent, out of the keys of edges {sorted(known)}, "
            f"got {got}; write them as in relations=('is_a', 'part_of')"
        )
    return [(low, high) for low, high, key in edges if key in wanted]


def _check_directed(graph: object) -> None:
    import networkx as nx

    if not isinstance(graph, nx.DiGraph):
        raise TypeError(
            f"expected a networkx.DiGraph, got {type(graph).__name__}; build a DiGraph whose edges "
            "say which end is the parent"
        )


def _are_columns(nodes: Collection[object]) -> bool:
    strings = sum(isinstance(x, str) for x in nodes)
    integers = sum(_is_column(x) for x in nodes)
    if len(nodes) not in (strings, integers):
        raise TypeError(
            "expected nodes that are all strings or all integers, got "
            f"{sorted({type(x).__name__ for x in nodes})}; "
            "rename them with networkx.relabel_nodes(graph, str)"
        )
    return strings == 0


def _is_column(node: object) -> bool:
    return isinstance(node, Integral) and not isinstance(node, bool)


def _check_columns(nodes: Iterable[Any], n: int) -> None:
    outside = [x for x in nodes if not 0 <= x < n]
    if outside:
        raise HierarchyError(
            f"expected integer nodes that are the columns 0 to {n - 1}, got {outside[0]!r}; if "
            "they are identifiers, rename them with networkx.relabel_nodes(graph, str)"
        )


def _check_writable(names: Iterable[str]) -> None:
    for name in names:
        if not name or name != name.strip() or not set("\r\n\0").isdisjoint(name):
            raise HierarchyError(
                f"expected names without line breaks or blanks around them, got {name!r}; "
                "rename the class, or use Hierarchy.save"
            )
