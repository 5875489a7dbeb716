"""The hierarchy of classes: names, columns and edges, validated once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import numpy as np
from torch import Tensor

from hierloss import _input, _labels, _store
from hierloss._constructors import Constructors
from hierloss._dag import Neighbours

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Hierarchy"]

Class = TypeVar("Class", str, int)


class Hierarchy(Constructors):
    r"""The classes of a hierarchical problem, their column order and their parents.

    A tree, a forest or any directed acyclic graph, with any number of roots. An edge is a pair
    (child, parent). A class is given by its name, a string, or by its column, an integer; what is
    asked by name is answered in names, what is asked by column in columns.

    Build one with `from_edges`, `from_parents`, `from_paths`, `from_obo`, `from_networkx`,
    `from_matrix` or `load`. A hierarchy is immutable, hashable, picklable and equal by content:
    names, edges and aliases.

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

    def with_aliases(self, aliases: Mapping[str, str]) -> Self:
        """The same hierarchy with further names, each mapped to the name of a class.

        Example:
            >>> h = Hierarchy.from_parents([None, 0], names=["animal", "mammal"])
            >>> h.with_aliases({"beast": "animal"}).index("beast")
            0
        """
        child, parent = self.edge_index
        merged = _input.merged(self.aliases, aliases)
        return type(self)(self.names, child, parent, merged, self.dropped)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the hierarchy to an ``.npz`` file, without pickle."""
        _store.save(path, self)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._columns or name in self.aliases

    def __repr__(self) -> str:
        counts = (
            (len(self), "class", "es"),
            (self.edge_index.shape[1], "edge", "s"),
            (len(self.roots), "root", "s"),
        )
        shown = ", ".join(f"{k} {noun}{plural * (k != 1)}" for k, noun, plural in counts)
        return f"Hierarchy({shown}, depth {self.depth}, {self.kind})"

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
        return type(self), (self.names, *self.edge_index, dict(self.aliases), self.dropped)

    def __deepcopy__(self, memo: object) -> Hierarchy:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Hierarchy is immutable; build a new one to change {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Hierarchy is immutable; it keeps {name!r}")

    @cached_property
    def _hash(self) -> int:
        return hash((self.names, self.edge_index.tobytes(), frozenset(self.aliases.items())))

    @cached_property
    def _cache(self) -> dict[Any, Any]:
        return {}

    @cached_property
    def _up(self) -> Neighbours:
        child, parent = self.edge_index
        return Neighbours(child, parent, len(self))

    @cached_property
    def _down(self) -> Neighbours:
        child, parent = self.edge_index
        return Neighbours(parent, child, len(self))

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
        if not isinstance(name, str):
            raise TypeError(f"expected the name of a class, a string, got {name!r}")
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
            sparse: Return a sparse COO tensor, which takes memory for the positives only.

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
            >>> import torch
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
            >>> import torch
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
