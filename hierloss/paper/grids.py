"""A table that is printed as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Grid"]

WIDE, NARROW = 400, 100

# A rule below the header, in letters that every encoding has.
RULED = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        name: What its files are called.
        title: The heading.
        header: The headings of the columns.
        rows: The cells.
        marked: The cells, as (row, column), that stand out: starred in text, bold in Markdown.
        notes: What has to be said below.
        records: The same as the cells for programs, one record for each number.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[tuple[int, int]]
    notes: tuple[str, ...]
    records: tuple[Mapping[str, object], ...]

    def text(self) -> str:
        """The table for a terminal, with its notes."""
        grid = Table(box=RULED, show_edge=False, padding=(0, 1, 0, 0))
        for i, heading in enumerate(self.header):
            grid.add_column(
                Text(heading), justify="left" if i < self._named() else "right", no_wrap=True
            )
        for i, row in enumerate(self.rows):
            grid.add_row(*(Text(self._starred(i, j, cell)) for j, cell in enumerate(row)))
        file = io.StringIO()
        Console(file=file, width=WIDE, color_system=None).print(grid)
        lines = [line.rstrip() for line in file.getvalue().splitlines()]
        return "\n".join([self.title, "", *lines, *_wrapped(self.notes)]) + "\n"

    def markdown(self) -> str:
        """The table with its heading and notes in Markdown."""
        named, columns = self._named(), len(self.header)
        rule = ["---"] * named + ["--:"] * (columns - named)
        rows = [
            [f"**{cell}**" if (i, j) in self.marked else cell for j, cell in enumerate(row)]
            for i, row in enumerate(self.rows)
        ]
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, rule, *rows)]
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([f"## {self.title}", "", *lines, "", *notes]).rstrip() + "\n"

    def csv(self) -> str:
        """The records; nothing stands where there is no number."""
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records)
        return file.getvalue()

    def _named(self) -> int:
        """How many columns say what a row is: the first, and those without a heading."""
        return 1 + sum(not heading for heading in self.header[1:])

    def _starred(self, i: int, j: int, cell: str) -> str:
        """A cell, with room for a star where its column has one."""
        if (i, j) in self.marked:
            return f"{cell}*"
        return f"{cell} " if any(j == column for _, column in self.marked) else cell


def _wrapped(notes: Iterable[str]) -> list[str]:
    """The notes as lines, an empty one before them."""
    lines = [textwrap.fill(note, NARROW, subsequent_indent="  ") for note in notes]
    return ["", *lines] if lines else []
