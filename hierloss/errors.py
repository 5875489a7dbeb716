"""What goes wrong with a hierarchy, by name."""

from __future__ import annotations

__all__ = ["CycleError", "HierarchyError", "UnknownClassError"]


class HierarchyError(ValueError):
    """A hierarchy, or a file that describes one, is not what it has to be."""


class CycleError(HierarchyError):
    """The edges contain a cycle, so that no order of levels exists.

    Attributes:
        cycle: names of the classes on one cycle, each followed by its parent.
    """

    def __init__(self, cycle: tuple[str, ...]) -> None:
        self.cycle = cycle
        path = " -> ".join((*cycle, cycle[0]))
        super().__init__(
            f"expected edges without a cycle, got {path} (child -> parent); remove one of "
            "these edges, or pass on_cycle='drop' to have a minimal set of them dropped"
        )

    def __reduce__(self) -> tuple[type[CycleError], tuple[tuple[str, ...]]]:
        return CycleError, (self.cycle,)


class UnknownClassError(HierarchyError, LookupError):
    """A name or a column is not that of a class."""
