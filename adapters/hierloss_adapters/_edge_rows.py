"""The rows of a file of edges."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import takewhile

from hierloss_adapters._files import Source, at, check_delimiter, kind, read_lines

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}


def delimiter_of(path: Source, delimiter: str | None) -> str:
    """What separates the cells of a file."""
    if delimiter is not None:
        return check_delimiter(delimiter)
    suffix = kind(path)
    if suffix not in _DELIMITERS:
        raise ValueError(
            f"expected a file that ends in {', '.join(_DELIMITERS)}, got {str(path)!r}; "
            "pass delimiter=',' or what else separates its cells"
        )
    return _DELIMITERS[suffix]


def edge_rows(path: Source, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file without blanks around cells, with the numbers of their lines."""
    lines = read_lines(path, encoding)
    above = takewhile(lambda line: not line.strip() or line.startswith("#"), lines)
    start = sum(1 for _ in above)
    skip = delimiter != " "  # the blanks before a quote, which opens a cell all the same
    reader = csv.reader(lines[start:], delimiter=delimiter, strict=True, skipinitialspace=skip)
    line = start + 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells not in ([], [""]):
                yield line, cells
            line = start + reader.line_num + 1
    except csv.Error as error:
        raise at(path, line, f"expected a row of cells, got {error}; mend its quotes") from error


def header(path: Source, line: int, row: list[str], child: str, parent: str) -> list[str]:
    """The names of the columns, of which one is the child and one the parent."""
    if row.count(child) != 1 or row.count(parent) != 1:
        raise at(
            path,
            line,
            f"expected a header with the columns {child!r} and {parent!r}, got {row}; if they are "
            "called otherwise, pass child= and parent=, and if the file has no header, pass "
            f"columns={(child, parent)} or columns={(parent, child)}",
        )
    return row


def check_given(
    columns: Sequence[str], path: Source, line: int, first: list[str], child: str, parent: str
) -> None:
    """Raise unless the columns that are given can be those of a file whose first row is this."""
    if list(columns).count(child) != 1 or list(columns).count(parent) != 1:
        raise ValueError(
            f"expected columns with one {child!r} and one {parent!r}, got {columns!r}; name every "
            f"column of the file, as {(child, 'relation', parent)}"
        )
    if sorted(map(str.casefold, first)) == sorted(map(str.casefold, columns)):
        raise at(
            path,
            line,
            f"expected no header, got {first}; leave columns away, and pass child= and parent= if "
            "it calls them otherwise",
        )


def pair(
    path: Source, line: int, row: list[str], columns: Sequence[str], low: int, high: int
) -> tuple[str, str]:
    """The child and the parent of a row."""
    if len(row) != len(columns):
        raise at(
            path,
            line,
            f"expected {len(columns)} cells ({', '.join(columns)}), got {len(row)}: {row}; "
            "mend the row, or pass another delimiter",
        )
    child, parent = row[low], row[high]
    if not child:
        raise at(path, line, f"expected a child, got an empty cell in {row}; name it")
    if child == parent:
        raise at(
            path, line, f"expected two classes, got {child!r} twice; leave a root's parent empty"
        )
    return child, parent
