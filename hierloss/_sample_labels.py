"""What the label cells of samples say."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor

from hierloss._input import check_known
from hierloss.hierarchy import Hierarchy

OnUnlabelled = Literal["raise", "drop", "negative"]
OnUnknown = Literal["raise", "drop"]


class Labels(NamedTuple):
    """Where the labels of a table are, and what to make of them."""

    column: str | None = None
    sep: str = ";"
    on_unlabelled: OnUnlabelled | None = "raise"
    on_unknown: OnUnknown = "raise"


class LabelReader:
    """Label cells, block after block, and what was left out of them."""

    def __init__(self, path: Path, hierarchy: Hierarchy, how: Labels) -> None:
        self.path, self.hierarchy, self.how = path, hierarchy, how
        self.keeps, self.wanted = how.on_unlabelled is None, "names of classes"
        self.unlabelled = self.unmarked = 0
        self.unknown: Counter[str] = Counter()

    def __call__(self, cells: Sequence[object], first: int) -> tuple[list[int], Tensor]:
        """Which of the rows count, and their target; `first` is the number of the first row."""
        names = [self.known(self._names(cell, row), row) for row, cell in enumerate(cells, first)]
        rows = self.labelled([x is not None for x in names], first)
        return rows, self.hierarchy.encode([names[i] or () for i in rows])

    def labelled(self, has: Sequence[bool], first: int = 1) -> list[int]:
        """The rows that count, given which have labels."""
        if self.how.on_unlabelled == "negative" or all(has):
            return list(range(len(has)))
        if self.how.on_unlabelled == "raise":
            raise ValueError(
                f"{self.path}, row {first + list(has).index(False)}: expected {self.wanted}, "
                "got none; pass on_unlabelled='drop' to leave such rows out, or "
                "on_unlabelled='negative' if they are of no class"
            )
        self.unlabelled += len(has) - sum(has)
        return [i for i, x in enumerate(has) if x]

    def marked(self, known: Sequence[bool], first: int) -> list[int]:
        """The rows that count, given which have a known label in the columns of their classes."""
        self.wanted = "a known label (0 or 1)"
        if self.how.on_unlabelled != "negative":
            self.unmarked += len(known) - sum(known)
        return list(range(len(known))) if self.keeps else self.labelled(known, first)

    def report(self, rows: int) -> None:
        """Warn of what was left out, and of what says nothing; raise if none of the rows does."""
        if rows and self.unmarked == rows:
            raise ValueError(
                f"{self.path}: expected a known label, 0 or 1, in a row of the columns of classes, "
                "got none; fill them in"
            )
        if self.unmarked and self.keeps:
            warnings.warn(
                f"{self.path}: rows without a known label: {self.unmarked:,}; pass "
                "on_unlabelled='drop' to leave them out, or on_unlabelled='negative' if they are "
                "of no class",
                stacklevel=4,
            )
        if self.unlabelled:
            warnings.warn(
                f"{self.path}: rows without {self.wanted} left out: {self.unlabelled:,}",
                stacklevel=4,
            )
        if self.unknown:
            some = ", ".join(f"{x!r} ({k})" for x, k in self.unknown.most_common(5))
            more = ", ..." if len(self.unknown) > 5 else ""
            warnings.warn(
                f"{self.path}: names of no class left out: {some}{more}",
                stacklevel=4,
            )

    def _names(self, cell: object, row: int) -> list[str] | None:
        """The names in a cell, which a Parquet file may have as a list; None if it is empty."""
        if isinstance(cell, list):
            if None in cell:
                raise ValueError(
                    f"{self.path}, column {self.how.column!r}, row {row}: expected names of "
                    f"classes, got {cell!r}; take away what is null"
                )
            if not cell:
                return []
        else:
            text = "" if cell is None else str(cell).strip()
            cell = [] if text == "?" else text.split(self.how.sep)
        return [x for x in (str(x).strip() for x in cell) if x] or None

    def known(self, names: list[str] | None, row: int) -> list[str] | None:
        """Those names of a row that are classes; None if there are none."""
        known = [x for x in names or () if x in self.hierarchy]
        if names is None or len(known) == len(names):
            return names
        lost = [x for x in names if x not in self.hierarchy]
        if self.how.on_unknown == "raise":
            column, between = "", ""
            if self.how.column is not None:  # an ARFF file has its own
                column, between = f", column {self.how.column!r}", f" between {self.how.sep!r}"
            where = (
                f"{self.path}{column}, row {row}: expected classes of the hierarchy{between}, or "
                "on_unknown='drop' to leave others out, got"
            )
            check_known(lost, {*self.hierarchy, *self.hierarchy.aliases}, where)
        self.unknown.update(lost)
        return known or None
