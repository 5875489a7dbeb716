"""Tables of CSV, TSV and Parquet files, some rows at a time."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hierloss._complete import complete
from hierloss_adapters._files import (
    NUMBER,
    Source,
    at,
    check_columns,
    check_delimiter,
    kind,
    stream_lines,
)
from hierloss_adapters._parquet import (
    first_size,
    has_numbers,
    is_parquet,
    open_parquet,
    require_pyarrow,
)

__all__ = [
    "Writer",
    "column_names",
    "index_names",
    "list_sizes",
    "matrix",
    "numbers",
    "read_table",
    "write_table",
]

Columns = Mapping[str, Sequence[object]]

MISSING = {"", "?", "na", "n/a", "nan", "null", "none"}
_WORDS = {"true": 1.0, "false": 0.0}
_NUMBER = re.compile(NUMBER)
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


class Writer(Protocol):
    """What `write_table` gives."""

    def write(self, columns: Columns) -> None:
        """Append rows, given by their columns."""


def column_names(
    path: Source, *, encoding: str = "utf-8", delimiter: str | None = None
) -> list[str]:
    """The names of the columns of a table; arguments are those of `read_table`.

    Raises:
        ValueError: The name of the file says nothing, the table has no header, or names twice.
        ImportError: pyarrow is missing, and the file is a Parquet file.
    """
    if is_parquet(path):
        names = open_parquet(path).schema_arrow.names
    else:
        delimiter = _delimiter(path, delimiter)
        names = next(_rows(path, encoding, delimiter), (0, []))[1]
        check_columns(path, 1, names, delimiter)
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if not names or twice is not None:
        got = "none" if twice is None else f"{twice!r} twice"
        raise at(path, 1, f"expected a header with the names of the columns, got {got}")
    return list(names)


def index_names(path: Source, names: Sequence[str]) -> list[str]:
    """Which columns of a table are the index of a data frame that pandas wrote into it.

    A CSV or TSV file has it in a column without a name, called ``Unnamed: 0`` if it was read and
    written once more; a Parquet file says what it is.
    """
    if is_parquet(path):
        about = (open_parquet(path).schema_arrow.metadata or {}).get(b"pandas", b"{}")
        stored = json.loads(about).get("index_columns", [])
        return [name for name in names if name in stored]
    return [name for name in names if re.fullmatch(r"|Unnamed: [0-9]+", name)]


def list_sizes(path: Source, columns: Sequence[str]) -> dict[str, int]:
    """How many numbers the first list has, of each column of a Parquet file that has such lists.

    It is 0 where there is no list.
    """
    if not is_parquet(path):
        return {}
    schema = open_parquet(path).schema_arrow
    return {x: first_size(path, x) for x in columns if has_numbers(schema.field(x).type)}


def read_table(
    path: Source,
    columns: Sequence[str],
    *,
    size: int = 1024,
    encoding: str = "utf-8",
    delimiter: str | None = None,
) -> Iterator[dict[str, list[object]]]:
    r"""Read some columns of a table, a number of rows at a time.

    The cells of a CSV or TSV file are strings, those of a Parquet file what they are there.

    Args:
        path: A file called .csv, .tsv or .tab, plain or compressed, or .parquet.
        columns: The names of the columns.
        size: How many rows at a time.
        encoding: The encoding of a text file.
        delimiter: What separates two cells of a text file; by default a comma in a .csv file, and
            a tab in others.

    Raises:
        ValueError: A column is not there, or a row has not as many cells as the header.
        ImportError: pyarrow is missing, and the file is a Parquet file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.csv")
        ...     _ = path.write_text("name,weight\nTom,4.5\nRex,30\n")
        ...     list(read_table(path, ["weight"]))
        [{'weight': ['4.5', '30']}]
    """
    names = column_names(path, encoding=encoding, delimiter=delimiter)
    place = {name: i for i, name in enumerate(names)}
    for column in columns:
        if column not in place:
            raise ValueError(
                f"{os.fspath(path)}: expected a column {column!r}, got {', '.join(names[:10])}"
                f"{' and more' if names[10:] else ''}"
            )
    if is_parquet(path):
        for batch in open_parquet(path).iter_batches(batch_size=size, columns=list(columns)):
            yield {column: batch.column(column).to_pylist() for column in columns}
        return
    below = islice(_rows(path, encoding, _delimiter(path, delimiter)), 1, None)
    rows = _checked(path, below, len(names))
    places = [place[column] for column in columns]
    while block := list(islice(rows, size)):
        yield {c: [row[i] for row in block] for c, i in zip(columns, places, strict=True)}


def numbers(values: Sequence[object], where: str, first: int = 1) -> NDArray[np.float64]:
    """Cells as numbers; a missing one is NaN: an empty cell, ``?``, ``NA``, ``NaN`` or ``null``.

    What is true is 1 and what is false 0, in words too.

    Args:
        values: The cells of a column.
        where: What an error names.
        first: The number of the first row, for errors.

    Raises:
        ValueError: A cell is no number, or infinite.

    Example:
        >>> numbers(["1.5", "", True, "False"], "pets.csv, column 'weight'")
        array([1.5, nan, 1. , 0. ])
    """
    found = np.array([_number(x, f"{where}, row {first + i}") for i, x in enumerate(values)])
    return found.astype(np.float64)


def matrix(values: Sequence[object], n: int, where: str, first: int = 1) -> NDArray[np.float64]:
    """Lists of `n` numbers as `(rows, n)`; a missing list and a missing number are NaN.

    Arguments are those of `numbers`.

    Raises:
        ValueError: A cell is no list of so many numbers, or one of them is infinite.

    Example:
        >>> matrix([[1.5, 2.0], None], 2, "pets.parquet, column 'size'")
        array([[1.5, 2. ],
               [nan, nan]])
    """
    for row, cell in enumerate(values, first):
        if cell is not None and not (isinstance(cell, list) and len(cell) == n):
            got = f"one of {len(cell)}" if isinstance(cell, list) else repr(cell)
            raise ValueError(
                f"{where}, row {row}: expected a list of {n} numbers as for other rows, got {got}"
            )
    try:
        found = np.array([[math.nan] * n if x is None else x for x in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: expected lists of numbers, got others ({error})") from error
    infinite = np.argwhere(np.isinf(found))
    if len(infinite):
        row = first + infinite[0][0]
        raise ValueError(f"{where}, row {row}: expected finite numbers, got an infinite one")
    return found.reshape(len(values), n)


@contextmanager
def write_table(path: Source) -> Iterator[Writer]:
    r"""Write a table, some rows at a time; the file appears once it is complete.

    All rows have the columns of the first ones. In text, floats of NumPy have six digits, as scores
    need no more; all else is written in full.

    Args:
        path: A file called .csv, .tsv, .tab or .parquet; its folder is made.

    Raises:
        ValueError: The name of the file does not end so, later rows have other columns than the
            first ones, or a column of a Parquet file has values of several types.
        ImportError: pyarrow is missing, and the file is a Parquet file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.csv")
        ...     with write_table(path) as table:
        ...         table.write({"name": ["Tom"], "cat": [0.75]})
        ...     path.read_text()
        'name,cat\nTom,0.75\n'
    """
    target = Path(path)
    delimiter = _DELIMITERS.get(target.suffix.lower())
    if delimiter is None and not is_parquet(path):
        known = ", ".join((*_DELIMITERS, ".parquet"))
        raise ValueError(
            f"expected a file to write that ends in {known}, uncompressed, got {target.name!r}"
        )
    with complete(target) as part, closing(_writer(part, delimiter)) as writer:
        yield writer


def _writer(part: Path, delimiter: str | None) -> _TextWriter | _ParquetWriter:
    return _TextWriter(part, delimiter) if delimiter else _ParquetWriter(part)


class _TextWriter:
    def __init__(self, path: Path, delimiter: str) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.csv = csv.writer(self.file, delimiter=delimiter, lineterminator="\n")
        self.names: list[str] | None = None

    def write(self, columns: Columns) -> None:
        if self.names is None:
            self.names = list(columns)
            self.csv.writerow(self.names)
        cells = [[_text(x) for x in column] for column in _same(columns, self.names)]
        self.csv.writerows(zip(*cells, strict=True))

    def close(self) -> None:
        self.file.close()


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self.arrow, self.parquet = require_pyarrow()
        self.path = path
        self.writer: Any = None

    def write(self, columns: Columns) -> None:
        if self.writer is None:
            first = {name: self._array(name, x) for name, x in columns.items()}
            self._begin(self.arrow.table(first).schema)
        schema = self.writer.schema
        found = zip(schema, _same(columns, schema.names), strict=True)
        arrays = [self._array(field.name, x, field.type) for field, x in found]
        self.writer.write_table(self.arrow.Table.from_arrays(arrays, schema=schema))

    def close(self) -> None:
        if self.writer is None:
            self._begin(self.arrow.schema([]))
        self.writer.close()

    def _begin(self, schema: Any) -> None:
        self.writer = self.parquet.ParquetWriter(self.path, schema)

    def _array(self, name: str, values: Sequence[object], type: Any = None) -> Any:
        try:
            return self.arrow.array(values if _are_floats(values) else list(values), type)
        except (self.arrow.ArrowInvalid, self.arrow.ArrowTypeError) as error:
            raise ValueError(
                f"expected values of one type in the column {name!r}, got others ({error}); write "
                "a CSV file, or make them alike"
            ) from error


def _same(columns: Columns, names: Sequence[str]) -> list[Sequence[object]]:
    """The columns in the order of those names."""
    if columns.keys() != set(names):
        other = sorted(columns.keys() ^ set(names))[0]
        raise ValueError(
            f"expected the columns of the rows before, got {'no' if other in names else 'also'} "
            f"{other!r}"
        )
    return [columns[name] for name in names]


def _text(value: object) -> object:
    if isinstance(value, np.floating):
        return f"{value:.6g}"
    # A column of whole numbers in which one is missing is one of floats in many files.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _are_floats(values: Sequence[object]) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "f"


def _number(value: object, where: str) -> float:
    if isinstance(value, str):
        value = value.strip()
        word = value.lower()
        if word in MISSING or word in _WORDS:
            return _WORDS.get(word, math.nan)
    if value is None:
        return math.nan
    try:
        # Python's own numbers may have underscores, and digits of any script.
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            raise ValueError(value)
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        number = math.inf
    if math.isinf(number):
        raise ValueError(f"{where}: expected a finite number, got {value!r}")
    return number


def _checked(path: Source, rows: Iterator[tuple[int, list[str]]], n: int) -> Iterator[list[str]]:
    for line, row in rows:
        if len(row) != n:
            raise at(path, line, f"expected {n} cells as in the header, got {len(row)}")
        yield row


def _rows(path: Source, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text file that are not empty, with the numbers of their lines."""
    lines = (line for _, line in stream_lines(path, encoding))
    rows, start = csv.reader(lines, delimiter=delimiter, strict=True), 1
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
            start = rows.line_num + 1
    except csv.Error as error:
        raise at(
            path,
            start,
            f"expected a row of cells, got {error}; mend its quotes, or write a Parquet file",
        ) from error


def _delimiter(path: Source, delimiter: str | None) -> str:
    if delimiter is not None:
        return check_delimiter(delimiter)
    found = kind(path)
    if found not in _DELIMITERS:
        raise ValueError(
            f"expected a file called {', '.join(_DELIMITERS)} or .parquet, got "
            f"{Path(path).name!r}; rename it, or pass delimiter=',' or what separates its cells"
        )
    return _DELIMITERS[found]
