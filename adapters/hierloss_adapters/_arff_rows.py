"""The rows of an ARFF file: numbers, and what their labels are."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hierloss_adapters._arff_header import Attribute, Header, Lines, cells, unquoted
from hierloss_adapters._files import NUMBER, Source, at

Labels = tuple[str, ...]
_Codes = dict[str, tuple[float, ...]]

_NUMBER = re.compile(rf"\?|{NUMBER}")
_ODD = re.compile(r"[^0-9.eE+\-?,]")


class Rows(NamedTuple):
    """The features, and what the reader of labels made of each row."""

    features: NDArray[Any]
    labels: tuple[Labels, ...]


class _Plan(NamedTuple):
    """Columns that are read alike: a run of numbers, or one nominal column and its codes."""

    start: int
    stop: int
    names: tuple[str, ...]
    codes: _Codes | None


def read_rows(
    path: Source,
    lines: Lines,
    header: Header,
    read_labels: Callable[[str], Labels],
    *,
    sparse_base: int,
    dtype: DTypeLike,
) -> Rows:
    """The rows below the header, one line at a time."""
    # An array grows in place, so that the rows are never in memory twice.
    values: array[float] = array(np.dtype(dtype).char)
    numbers = array("q")
    labels: list[Labels] = []
    plans = list(_plans(header.attributes))
    known: dict[str, Labels] = {}
    for number, line in lines:
        try:
            row = _cells(line, header, sparse_base)
            values.extend(_numbers(row, plans))
            text = "" if header.position is None else row[header.position]
            if text not in known:
                known[text] = read_labels(text)
            labels.append(known[text])
        except ValueError as error:
            raise at(path, number, str(error)) from error
        numbers.append(number)
    if not labels and header.position is not None:
        raise at(path, header.line, "expected rows below @data, got none; is the file whole?")
    width = sum(1 for _ in feature_names(header.attributes))
    features = np.frombuffer(values, values.typecode).reshape(len(labels), width)
    _check_finite(path, features, numbers)
    return Rows(features, tuple(labels))


def feature_names(attributes: Sequence[Attribute]) -> Iterator[str]:
    """The name of each feature, that of a nominal value with its attribute."""
    for x in attributes:
        if x.type == "numeric":
            yield x.name
        elif x.type == "nominal":
            yield from (f"{x.name}={value}" for value in x.values)


def _plans(attributes: Sequence[Attribute]) -> Iterator[_Plan]:
    start = 0
    while start < len(attributes):
        stop = start
        while stop < len(attributes) and attributes[stop].type == "numeric":
            stop += 1
        if stop > start:
            yield _Plan(start, stop, tuple(x.name for x in attributes[start:stop]), None)
        elif attributes[start].type == "nominal":
            codes = _codes(attributes[start].values)
            yield _Plan(start, start + 1, (attributes[start].name,), codes)
        start = max(stop, start + 1)


def _codes(values: Sequence[str]) -> _Codes:
    """One-hot codes, all zeros for a missing value."""
    codes = {x: tuple(float(x == other) for other in values) for x in values}
    return {"?": (0.0,) * len(values), **codes}


def _cells(line: str, header: Header, base: int) -> list[str]:
    n = len(header.attributes)
    if line.startswith("{"):
        return _sparse(line, header, base)
    row = cells(line)
    if len(row) != n:
        raise ValueError(
            f"expected {n} cells, one for each attribute, got {len(row)}; mend the row, and "
            "quote a cell that has a comma in it"
        )
    return row


def _sparse(line: str, header: Header, base: int) -> list[str]:
    if not line.endswith("}"):
        raise ValueError("expected a sparse row to end with }, got none; is the line whole?")
    given: dict[int, str] = {}
    for entry in cells(line[1:-1]) if line[1:-1].strip() else ():
        index, value = _entry(entry, len(header.attributes), base)
        if index in given:
            raise ValueError(f"expected each attribute once, got {index + base} again")
        given[index] = value
    if header.position is not None and header.position not in given:
        raise ValueError(
            f"expected the classes as '{header.position + base} LABELS' in the row, got none; add "
            "them, or tell the number of the first attribute by sparse_base="
        )
    return [given.get(i, _absent(x)) for i, x in enumerate(header.attributes)]


def _entry(entry: str, n: int, base: int) -> tuple[int, str]:
    index, value = (entry.split(None, 1) + ["", ""])[:2]
    if not value or not (index.isascii() and index.isdigit()):
        raise ValueError(f"expected 'NUMBER VALUE' between commas, got {entry!r}; mend it")
    if not base <= int(index) < n + base:
        raise ValueError(
            f"expected the number of an attribute, {base} to {n + base - 1}, got {index}; mend it, "
            "or tell the number of the first attribute by sparse_base="
        )
    return int(index) - base, unquoted(value)


def _absent(attribute: Attribute) -> str:
    """What a sparse row does not write: zero, or the first of several values."""
    return attribute.values[0] if attribute.type == "nominal" else "0"


def _numbers(row: Sequence[str], plans: Sequence[_Plan]) -> Iterator[float]:
    for start, stop, names, codes in plans:
        if codes is None:
            yield from _floats(row[start:stop], names)
        elif row[start] in codes:
            yield from codes[row[start]]
        else:
            known = ", ".join(x for x in codes if x != "?")
            raise ValueError(
                f"expected one of {known} or ? for {names[0]!r}, got {row[start]!r}; "
                "declare the value in the header, or mend it"
            )


def _floats(row: Sequence[str], names: Sequence[str]) -> list[float]:
    try:
        found = [math.nan if cell == "?" else float(cell) for cell in row]
        # float() also reads "nan", "inf" and "1_000".
        if not _ODD.search(",".join(row)):
            return found
    except ValueError:
        pass
    wrong = ((x, cell) for x, cell in zip(names, row, strict=True) if not _NUMBER.fullmatch(cell))
    name, cell = next(wrong)
    raise ValueError(f"expected a number or ? for {name!r}, got {cell!r}; mend it")


def _check_finite(path: Source, features: NDArray[Any], numbers: Sequence[int]) -> None:
    large = np.flatnonzero(np.isinf(features).any(1))
    if large.size:
        other = ", or pass dtype='float64'" if features.dtype == np.float32 else ""
        problem = f"expected numbers that {features.dtype} can hold, got a larger one"
        raise at(path, numbers[large[0]], f"{problem}; mend it{other}")
