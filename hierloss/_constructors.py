"""The ways to build a hierarchy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from hierloss import _input, _matrix, _store
from hierloss._dag import Ints
from hierloss._input import OnCycle
from hierloss.errors import HierarchyError

if TYPE_CHECKING:
    import networkx as nx
    from typing_extensions import Self

    from hierloss.hierarchy import Hierarchy


class Constructors:
    """What a `Hierarchy` is made of, and all ways to make one."""

    names: tuple[str, ...]
    aliases: Mapping[str, str]
    dropped: tuple[tuple[str, str], ...]
    edge_index: Ints
    levels: Ints
    _columns: dict[str, int]

    def __init__(
        self,
        names: Iterable[str],
        child: ArrayLike,
        parent: ArrayLike,
        aliases: Mapping[str, str] | None = None,
        dropped: Iterable[tuple[str, str]] = (),
    ) -> None:
        order = _input.name_list(names)
        if not order:
            raise HierarchyError("expected at least one class, got none")
        columns = {name: i for i, name in enumerate(order)}
        edges = np.unique(_input.edge_array(child, parent, len(order)), axis=1)
        levels = _input.levels(edges[0], edges[1], order)
        self.__dict__.update(
            names=tuple(order),
            aliases=MappingProxyType(_input.aliases(aliases or {}, columns)),
            dropped=tuple(dropped),
            edge_index=_frozen(edges),
            levels=_frozen(levels),
            _columns=columns,
        )

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[tuple[str | int, str | int]],
        names: Iterable[str] | None = None,
        *,
        on_cycle: OnCycle = "raise",
    ) -> Self:
        """Hierarchy of (child, parent) edges.

        Args:
            edges: Pairs of names, or pairs of columns. An edge given twice counts once.
            names: The column order, and the way to have classes without an edge. Without it,
                named classes are ordered by level, then by first appearance, and columns are
                named by their numbers.
            on_cycle: "raise", or "drop" to leave out each edge that closes a cycle with the edges
                given before it. What is left out is in `dropped`, and a warning names it.

        Raises:
            CycleError: The edges have a cycle and `on_cycle` is "raise".
            UnknownClassError: An edge has a class that is not in `names`.
            HierarchyError: A self-loop, a duplicate name, no class at all.
            TypeError: A class is neither a string nor an integer.

        Example:
            >>> from hierloss import Hierarchy
            >>> edges = [("b", "a"), ("c", "a"), ("c", "b")]
            >>> h = Hierarchy.from_edges(edges, names=["c", "b", "a"])
            >>> h.levels
            array([2, 1, 0])
        """
        names, child, parent, dropped = _input.from_edges(edges, names, on_cycle)
        return cls(names, child, parent, dropped=dropped)

    @classmethod
    def from_parents(
        cls,
        parents: Iterable[int | Sequence[int] | None],
        names: Iterable[str] | None = None,
        *,
        on_cycle: OnCycle = "raise",
    ) -> Self:
        """Hierarchy of a parent array, whose entry `i` holds the parents of column `i`.

        Args:
            parents: For each class a column, a tuple of columns, or None or -1 for a root.
            names: The names of the columns; by default "0", "1", and so on.
            on_cycle: As in `from_edges`, with the same errors.

        Example:
            >>> from hierloss import Hierarchy
            >>> Hierarchy.from_parents([None, 0, 0, (1, 2)])
            Hierarchy(4 classes, 4 edges, 1 root, depth 2, DAG)
        """
        return cls.from_edges(*_input.from_parents(parents, names), on_cycle=on_cycle)

    @classmethod
    def from_paths(
        cls,
        paths: Iterable[str],
        sep: str = "/",
        names: Iterable[str] | None = None,
    ) -> Self:
        """Hierarchy of path strings, in which the parent of "01/03/02" is "01/03".

        The full path is the name of a class, so that the same last component may occur under
        several parents. A class that only occurs as the beginning of a path is added.

        Args:
            paths: Paths from a root down.
            sep: What separates their components.
            names: The column order, as in `from_edges`.

        Raises:
            HierarchyError: A path has an empty component, or blanks around one.
            UnknownClassError: A path, or the beginning of one, is not in `names`.

        Example:
            >>> from hierloss import Hierarchy
            >>> Hierarchy.from_paths(["01/01/03", "02"]).names
            ('01', '02', '01/01', '01/01/03')
        """
        edges, order = _input.from_paths(paths, sep)
        if names is not None:
            names = _input.name_list(names)
            _input.check_known(order, set(names), "a path has the class")
        return cls.from_edges(edges, order if names is None else names)

    @classmethod
    def from_obo(
        cls,
        path: str | os.PathLike[str],
        relations: Sequence[str] = ("is_a", "part_of"),
        namespace: str | None = None,
        *,
        on_cycle: OnCycle = "raise",
        on_dangling: OnCycle = "raise",
        encoding: str = "utf-8",
    ) -> Hierarchy:
        """Hierarchy of the live terms of an OBO file: `hierloss_adapters.obo.read_obo`, short."""
        from hierloss_adapters.obo import read_obo

        return read_obo(
            path,
            relations=relations,
            namespace=namespace,
            on_cycle=on_cycle,
            on_dangling=on_dangling,
            encoding=encoding,
        ).hierarchy

    @classmethod
    def from_networkx(
        cls,
        graph: nx.DiGraph[Any],
        *,
        direction: Literal["child_to_parent", "parent_to_child"],
        relations: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
        on_cycle: OnCycle = "raise",
    ) -> Hierarchy:
        """Hierarchy of a directed graph: `hierloss_adapters.graph.from_networkx`."""
        from hierloss_adapters.graph import from_networkx

        return from_networkx(
            graph, direction=direction, relations=relations, names=names, on_cycle=on_cycle
        )

    @classmethod
    def from_matrix(
        cls,
        matrix: ArrayLike | Tensor,
        orientation: Literal["descendant_rows", "ancestor_rows"] = "descendant_rows",
        names: Iterable[str] | None = None,
        *,
        check_orientation: bool = True,
    ) -> Self:
        """Hierarchy of a dense ancestor matrix, the R of R-matrix code.

        The edges are those of the transitive reduction: a direct edge beside a longer path leaves
        no trace in such a matrix. `MCM` cannot tell the difference, one step of `LMC` can.

        Args:
            matrix: `(n, n)` of zeros and ones, transitively closed, its diagonal all ones or all
                zeros. With "descendant_rows" ``matrix[i, j] == 1`` says that `j` is `i` or a
                descendant of `i`, with "ancestor_rows" that `j` is `i` or an ancestor of `i`.
            orientation: Which of the two it is.
            names: The names of the columns; by default "0", "1", and so on.
            check_orientation: Refuse a matrix that has more roots than leaves, because it reads
                more plausibly the other way round.

        Raises:
            HierarchyError: The matrix is not such a matrix, or its orientation is in doubt.

        Example:
            >>> from hierloss import Hierarchy
            >>> R = [[1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
            >>> Hierarchy.from_matrix(R, names=["a", "b", "c", "d"]).edges
            (('b', 'a'), ('c', 'b'), ('d', 'a'))
        """
        n, child, parent = _matrix.edges(matrix, orientation, check_orientation)
        return cls(_input.column_names(names, n), child, parent)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a hierarchy that `save` wrote.

        Raises:
            HierarchyError: The file is not one of `save`, or of a newer format.
        """
        return cls(*_store.load(path))


def _frozen(array: Ints) -> Ints:
    """A copy in memory that nobody can make writeable."""
    return np.frombuffer(array.tobytes(), dtype=np.int64).reshape(array.shape)
