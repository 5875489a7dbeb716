"""The hierarchy of classes: names, columns and edges, validated once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from hierloss import _input, _labels, _matrix, _store
from hierloss._dag import Ints, Neighbours
from hierloss._input import OnCycle
from hierloss.errors import HierarchyError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Hierarchy"]

Class = TypeVar("Class", str, int)


class Hierarchy:
    r"""The classes of a hierarchical problem, their column order and their parents.

    A tree, a forest or any directed acyclic graph, with any number of roots. An edge is a pair
    (child, parent). A class is given by its name, a string, or by its column, an integer; what is
    asked by name is answered in names, what is asked by column in columns.

    Build one with `from_edges`, `from_parents`, `from_paths`, `from_obo`, `from_networkx`,
    `from_matrix` or `load`. A hierarchy is immutable, hashable, picklable and equal by content.

    Attributes:
        names: Names of the classes, in column order.
        aliases: Other names, each with the name of its class.
        dropped: The edges that ``on_cycle="drop"`` left out, as (child, parent) names.
        edge_index: `(2, edges)` array: the child column and the parent column of each edge.
        levels: `(n,)` array: the longest path from a root to each class, 0 for a root.

    Example:
        >>> from hierloss import Hierarchy
        >>> h = Hierarchy.from_edges([("cat", "mammal"), ("dog", "mammal"), ("mammal", "animal")])
        >>> h
        Hierarchy(4 classes, 3 edges, 1 root, depth 2, tree)
        >>> h.names
        ('animal', 'mammal', 'cat', 'dog')
        >>> h.ancestors("cat"), h.ancestors(2)
        (('animal', 'mammal'), (0, 1))
    """

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
        edges = np.array([child, parent], dtype=np.int64).reshape(2, -1)
        edges = np.unique(edges, axis=1)
        _input.check_known(edges.ravel().tolist(), range(len(order)), "an edge has the class")
        levels = _input.levels(edges[0], edges[1], order)
        edges.flags.writeable = levels.flags.writeable = False
        self.__dict__.update(
            names=tuple(order),
            aliases=MappingProxyType(_input.aliases(aliases or {}, columns)),
            dropped=tuple(dropped),
            edge_index=edges,
            levels=levels,
            _columns=columns,
        )

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[tuple[str | int, str | int]],
        names: Iterable[str] | None = None,
        *,
        on_cycle: OnCycle = "raise",
    ) -> Hierarchy:
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
            >>> h = Hierarchy.from_edges([("b", "a"), ("c", "a"), ("c", "b")], names=["c", "b", "a"])
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
    ) -> Hierarchy:
        """Hierarchy of a parent array, whose entry `i` holds the parents of column `i`.

        Args:
            parents: For each class a column, a tuple of columns, or None or -1 for a root.
            names: The names of the columns; by default "0", "1", and so on.
            on_cycle: As in `from_edges`, with the same errors.

        Example:
            >>> Hierarchy.from_parents([None, 0, 0, (1, 2)])
            Hierarchy(4 classes, 4 edges, 1 root, depth 2, DAG)
        """
        return cls.from_edges(*_input.from_parents(parents, names), on_cycle=on_cycle)

    @classmethod
    def from_paths(
        cls, paths: Iterable[str], sep: str = "/", names: Iterable[str] | None = None
    ) -> Hierarchy:
        """Hierarchy of path strings, in which the parent of "01/03/02" is "01/03".

        The full path is the name of a class, so that the same last component may occur under
        several parents. A class that only occurs as the beginning of a path is added.

        Args:
            paths: Paths from a root down.
            sep: What separates their components.
            names: The column order, as in `from_edges`.

        Raises:
            HierarchyError: A path has an empty component.

        Example:
            >>> Hierarchy.from_paths(["01/01/03", "02"]).names
            ('01', '02', '01/01', '01/01/03')
        """
        edges, order = _input.from_paths(paths, sep)
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
        names: Iterable[str] | None = None,
        on_cycle: OnCycle = "raise",
    ) -> Hierarchy:
        """Hierarchy of a directed graph: `hierloss_adapters.graph.from_networkx`."""
        from hierloss_adapters.graph import from_networkx

        return from_networkx(graph, direction=direction, names=names, on_cycle=on_cycle)

    @classmethod
    def from_matrix(
        cls,
        matrix: ArrayLike | Tensor,
        orientation: Literal["descendant_rows", "ancestor_rows"] = "descendant_rows",
        names: Iterable[str] | None = None,
        *,
        check_orientation: bool = True,
    ) -> Hierarchy:
        """Hierarchy of a dense ancestor matrix, the R of R-matrix code.

        The edges are those of the transitive reduction: a direct edge beside a longer path leaves
        no trace in such a matrix. `MCM` cannot tell the difference, one step of `LMC` can.

        Args:
            matrix: `(n, n)` of zeros and ones, transitively closed, its diagonal all ones or all
                zeros. With "descendant_rows" ``matrix[i, j] == 1`` says that `j` is `i` or a
                descendant of `i`, with "ancestor_rows" that `j` is `i` or an ancestor of `i`.
            orientation: Which of the two it is.
            names: The names of the columns; by default "0", "1", and so on.
            check_orientation: Refuse a matrix that reads more plausibly the other way round,
                because only that makes it a forest, or makes it have fewer roots than leaves.

        Raises:
            HierarchyError: The matrix is not such a matrix, or its orientation is in doubt.

        Example:
            >>> R = [[1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
            >>> Hierarchy.from_matrix(R, names=["a", "b", "c", "d"]).edges
            (('b', 'a'), ('c', 'b'), ('d', 'a'))
        """
        n, child, parent = _matrix.edges(matrix, orientation, check_orientation)
        return cls([str(i) for i in range(n)] if names is None else names, child, parent)

    def with_aliases(self, aliases: Mapping[str, str]) -> Hierarchy:
        """The same hierarchy with further names, each mapped to the name of a class.

        Example:
            >>> h = Hierarchy.from_parents([None, 0], names=["animal", "mammal"])
            >>> h.with_aliases({"beast": "animal"}).index("beast")
            0
        """
        return Hierarchy(self.names, *self.edge_index, {**self.aliases, **aliases}, self.dropped)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the hierarchy to an ``.npz`` file, without pickle."""
        _store.save(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Hierarchy:
        """Read a hierarchy that `save` wrote.

        Raises:
            HierarchyError: The file is not one of `save`, or of a newer format.
        """
        return cls(*_store.load(path))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._columns or name in self.aliases

    def __repr__(self) -> str:
        counts = (len(self), "class", "es"), (self.edge_index.shape[1], "edge", "s")
        shown = [f"{k} {noun}{ending * (k != 1)}" for k, noun, ending in (*counts, (len(self.roots), "root", "s"))]
        return f"Hierarchy({', '.join(shown)}, depth {self.depth}, {self.kind})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hierarchy):
            return NotImplemented
        return self is other or (
            self.names == other.names
            and np.array_equal(self.edge_index, other.edge_index)
            and self.aliases == other.aliases
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Hierarchy, (self.names, *self.edge_index, dict(self.aliases), self.dropped)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Hierarchy is immutable; build a new one to change {name!r}")

    @cached_property
    def _hash(self) -> int:
        return hash((self.names, self.edge_index.tobytes(), frozenset(self.aliases.items())))

    @cached_property
    def _cache(self) -> dict[Any, Any]:
        return {}

    @cached_property
    def _up(self) -> Neighbours:
        return Neighbours(*self.edge_index, len(self))

    @cached_property
    def _down(self) -> Neighbours:
        return Neighbours(*self.edge_index[::-1], len(self))

    @cached_property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """All edges as (child, parent) names, ordered by child column, then parent column."""
        names = self.names
        return tuple((names[c], names[p]) for c, p in self.edge_index.T.tolist())

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The classes without parents."""
        return tuple(self.names[i] for i in np.flatnonzero(self._up.count == 0))

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The classes without children."""
        return tuple(self.names[i] for i in np.flatnonzero(self._down.count == 0))

    @property
    def kind(self) -> Literal["tree", "forest", "DAG"]:
        """A "tree" has one root and a "forest" several; in a "DAG" a class has several parents."""
        if self._up.count.max() > 1:
            return "DAG"
        return "tree" if len(self.roots) == 1 else "forest"

    @property
    def depth(self) -> int:
        """The number of edges on the longest path, the largest level."""
        return int(self.levels.max())

    def index(self, name: str) -> int:
        """The column of a class, by its name or an alias.

        Raises:
            UnknownClassError: There is no such class.
        """
        return _labels.column(self, name)

    def parents(self, x: Class) -> tuple[Class, ...]:
        """The direct parents of a class, in column order."""
        return self._answer(x, self._up[self._column(x)].tolist())

    def children(self, x: Class) -> tuple[Class, ...]:
        """The direct children of a class, in column order."""
        return self._answer(x, self._down[self._column(x)].tolist())

    def ancestors(self, x: Class) -> tuple[Class, ...]:
        """All classes above a class, without itself, in column order."""
        return self._answer(x, self._up.reachable(self._column(x)))

    def descendants(self, x: Class) -> tuple[Class, ...]:
        """All classes below a class, without itself, in column order."""
        return self._answer(x, self._down.reachable(self._column(x)))

    def encode(self, labels: Iterable[Iterable[str]], *, sparse: bool = False) -> Tensor:
        """Targets of samples given by the names of their classes, closed upward.

        Args:
            labels: For each sample the names of its classes, or aliases; their ancestors follow.
            sparse: Return a sparse CSR tensor, which takes memory for the positives only.

        Shape:
            Output: `(samples, n)`, bool.

        Raises:
            UnknownClassError: A name is not that of a class; the message counts all of them.

        Example:
            >>> h = Hierarchy.from_paths(["a/b", "a/c"])
            >>> h.encode([["a/b"], []])
            tensor([[ True,  True, False],
                    [False, False, False]])
        """
        return _labels.encode(self, labels, sparse)

    def decode(self, mask: Tensor) -> list[tuple[str, ...]]:
        """The names of the classes of each sample, the way back from `encode`.

        Args:
            mask: `(samples, n)`, bool, or integers 0 and 1. Scores need a threshold first.

        Example:
            >>> h = Hierarchy.from_paths(["a/b", "a/c"])
            >>> h.decode(h.encode([["a/b"], []]))
            [('a', 'a/b'), ()]
        """
        return _labels.decode(self, mask)

    def close(self, target: Tensor) -> Tensor:
        """The target closed upward: every ancestor of a positive class becomes positive.

        Unknown entries, NaN or -1, become positive where a descendant is, and stay unknown
        elsewhere.

        Shape:
            Input and output: `(*, n)`, of the same dtype.

        Example:
            >>> h = Hierarchy.from_paths(["a/b", "a/c"])
            >>> h.close(torch.tensor([0, 1, -1]))
            tensor([ 1,  1, -1])
        """
        return _labels.close(self, target)

    def violations(self, scores: Tensor) -> Tensor:
        """Which edges are violated: the child's score is above the parent's, or one is NaN.

        Shape:
            `(*, n)` scores, `(*, edges)` bool in the order of `edges`. Its mean is the violation
            rate, ``.any(-1)`` says which samples are incoherent.

        Example:
            >>> h = Hierarchy.from_paths(["a/b", "a/c"])
            >>> h.violations(torch.tensor([0.5, 0.7, 0.2]))
            tensor([ True, False])
        """
        return _labels.violations(self, scores)

    def is_coherent(self, scores: Tensor) -> bool:
        """Whether no class scores above any of its parents, in any sample."""
        return not bool(self.violations(scores).any())

    def _column(self, x: str | int) -> int:
        return _labels.column(self, x)

    def _answer(self, x: Class, columns: Iterable[int]) -> tuple[Class, ...]:
        if isinstance(x, str):
            return tuple(self.names[i] for i in columns)
        return tuple(columns)
