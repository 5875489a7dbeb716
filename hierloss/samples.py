"""Samples to train on or to predict for: anyone's ARFF, CSV and Parquet files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hierloss._input import some
from hierloss._sample_features import check_size, parts_of, to_features
from hierloss._sample_labels import LabelReader, Labels, OnUnknown, OnUnlabelled
from hierloss._sample_tables import from_table
from hierloss.hierarchy import Hierarchy

if TYPE_CHECKING:
    from hierloss_adapters.arff import Arff

__all__ = ["Block", "Samples", "read_features", "read_samples"]

#: What a reader of each kind of file can be told, and of which type that is.
_TABLE: Mapping[str, type] = MappingProxyType({"encoding": str, "delimiter": str})
_ARFF: Mapping[str, type] = MappingProxyType(
    {
        "encoding": str,
        "kind": str,
        "sep": str,
        "zero_ends": bool,
        "sparse_base": int,
        "on_cycle": str,
    }
)
WAYS = (*_TABLE, *_ARFF)


class Samples(NamedTuple):
    """Samples with their classes.

    Attributes:
        features: `(samples, d)` float64; NaN where one is missing.
        names: The name of each feature.
        target: `(samples, n)` closed upward; bool, or float32 with NaN where a label is unknown.
        hierarchy: The hierarchy of the classes.
    """

    features: NDArray[Any]
    names: tuple[str, ...]
    target: Tensor
    hierarchy: Hierarchy


class Block(NamedTuple):
    """Some samples without their classes.

    Attributes:
        ids: What names each of them: its number in the file, from 1, or a cell.
        features: `(samples, d)` float64; NaN where one is missing.
    """

    ids: list[object]
    features: NDArray[np.float64]


def read_samples(
    path: str | os.PathLike[str],
    hierarchy: Hierarchy | None = None,
    *,
    labels: str | None = None,
    sep: str = ";",
    ignore: Sequence[str] = (),
    features: Sequence[str] | None = None,
    on_unlabelled: OnUnlabelled | None = None,
    on_unknown: OnUnknown = "raise",
    reading: Mapping[str, Any] | None = None,
) -> Samples:
    """Read samples and their classes.

    In an ARFF file the attribute of type `hierarchical` has the classes. In a table, a CSV, TSV or
    Parquet file, a column has their names, also as lists in a Parquet file. Or classes have columns
    of their own with 0 and 1, or nothing where that is unknown; a class without a column is
    positive if one below it is, else unknown if one below it is, else negative. All other columns
    are features, of which one with lists of numbers in a Parquet file, say ``x``, has several:
    ``x[0]``, ``x[1]`` and so on.

    Args:
        path: The file; its name says what it is.
        hierarchy: The hierarchy of the classes. An ARFF file has its own.
        labels: The column of a table that has the names of the classes.
        sep: What separates the names.
        ignore: Columns that are no features.
        features: The names of the features, as those of training; what else the file has is passed
            over, and it need not have the columns to ignore. By default all other columns.
        on_unlabelled: What to do with a row without names of classes, because its cell is empty or
            ``?``, or without a known label in any column of a class: "raise", "drop" to leave it
            out, or "negative" if it is of no class. By default it is "raise" for names, and beside
            columns of classes such a row is kept. An empty list in a Parquet file says that the
            row is of no class.
        on_unknown: "raise" if a name is no class, or one that an ARFF file does not declare, or
            "drop" to leave out the name.
        reading: How the file is read: ``encoding`` and ``delimiter`` of a CSV or TSV file,
            ``encoding``, ``kind``, ``sep``, ``zero_ends``, ``sparse_base`` and ``on_cycle`` of an
            ARFF file, as in `hierloss_adapters.arff.read_arff`.

    What is left out is said by a warning, and so are rows without a known label, and features that
    no row has.

    Raises:
        ValueError: A class is unknown, a column missing, a cell no number or too large a one, a
            class has two columns, or is 0 where one below it is 1, or there are no rows.
        ImportError: pyarrow is missing, and the file is a Parquet file.
    """
    path = Path(path)
    reading = _checked(path, reading)
    if on_unlabelled is None and (labels is not None or _kind(path) == ".arff"):
        on_unlabelled = "raise"
    if on_unlabelled is not None:
        _check_choice("on_unlabelled", on_unlabelled, ("raise", "drop", "negative"))
    _check_choice("on_unknown", on_unknown, ("raise", "drop"))
    if _kind(path) == ".arff":
        if labels is not None:
            raise ValueError(
                f"{path}: expected no column of labels, an ARFF file has its own; leave labels away"
            )
        how = Labels(on_unlabelled=on_unlabelled, on_unknown=on_unknown)
        samples = _from_arff(path, hierarchy, how, ignore, features, reading)
    elif hierarchy is None:
        raise ValueError(f"{path}: expected a hierarchy beside a table, got none; pass hierarchy=")
    elif not sep:
        raise ValueError("expected a separator between the names of classes, got ''")
    else:
        how = Labels(labels, sep, on_unlabelled, on_unknown)
        found = from_table(path, hierarchy, how, ignore, features, reading)
        samples = Samples(*found, hierarchy)
    if not len(samples.features):
        raise ValueError(f"{path}: expected rows to learn from below the header, got none")
    _tell_empty(path, samples)
    return samples


def read_features(
    path: str | os.PathLike[str],
    names: Sequence[str],
    *,
    id: str | None = None,
    size: int = 1024,
    reading: Mapping[str, Any] | None = None,
) -> Iterator[Block]:
    """Read features by their names, a number of samples at a time.

    Of a table only so many rows are in memory; an ARFF file is read as a whole, and needs no
    classes. Of a file without rows there is one block of no samples.

    Args:
        path: An ARFF, CSV, TSV or Parquet file.
        names: The names of the features; what else the file has is passed over.
        id: The column of a table that names the samples, by default their number.
        size: How many samples at a time.
        reading: As in `read_samples`.

    Raises:
        ValueError: A feature or an id is missing, or a cell is no number or too large a one.
    """
    path = Path(path)
    reading = _checked(path, reading)
    if _kind(path) == ".arff":
        yield from _arff_blocks(path, names, id, size, reading)
        return
    from hierloss_adapters.tabular import column_names, read_table

    done = 0
    own = parts_of(names, column_names(path, **reading))
    wanted = list(dict.fromkeys([*own, *([id] if id else [])]))
    for columns in read_table(path, wanted, size=size, **reading):
        features = to_features(path, columns, own, names, done + 1)
        ids = _ids(path, id, columns[id], done + 1) if id else _numbered(done, len(features))
        yield Block(ids, features)
        done += len(features)
    if not done:
        yield Block([], np.empty((0, len(names))))


def _checked(path: Path, reading: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """How to read a file, as far as a file of its kind can be told."""
    known = {".arff": _ARFF, ".parquet": {}, ".pq": {}}.get(_kind(path), _TABLE)
    for name, value in (reading or {}).items():
        if name not in known:
            some = ", ".join(known) or "none"
            raise ValueError(f"{path}: expected {some} for how to read the file, got {name!r}")
        if type(value) is not known[name]:
            words = {str: "text", bool: "true or false", int: "a whole number"}[known[name]]
            raise ValueError(f"{path}: expected {name} to be {words}, got {value!r}")
    return reading or {}


def _tell_empty(path: Path, samples: Samples) -> None:
    """Warn of features that no row has."""
    empty = np.isnan(samples.features).all(0)
    if empty.any():
        names = [name for name, x in zip(samples.names, empty, strict=True) if x]
        warnings.warn(f"{path}: features that are empty in all rows: {some(names)}", stacklevel=3)


def _check_choice(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"expected {what} of {', '.join(map(repr, known))}, got {value!r}")


def _from_arff(
    path: Path,
    hierarchy: Hierarchy | None,
    how: Labels,
    ignore: Sequence[str],
    wanted: Sequence[str] | None,
    reading: Mapping[str, Any],
) -> Samples:
    from hierloss_adapters.arff import read_arff

    known = () if hierarchy is None else (*hierarchy, *hierarchy.aliases)
    reading = {"on_unknown": how.on_unknown, "known": known, **reading}
    arff = read_arff(path, dtype=np.float64, **reading)
    hierarchy = arff.hierarchy if hierarchy is None else hierarchy
    names = _kept(path, arff, ignore) if wanted is None else tuple(wanted)
    features = arff.features[:, _places(path, names, arff.feature_names)]
    check_size(path, features, names, 1)
    reader = LabelReader(path, hierarchy, how)
    labels = [reader.known(list(names), row) for row, names in enumerate(arff.labels, 1)]
    rows = reader.labelled([bool(names) for names in labels])
    reader.report(len(labels))
    target = hierarchy.encode([labels[i] or () for i in rows])
    features = features if len(rows) == len(features) else features[rows]
    return Samples(features, names, target, hierarchy)


def _kept(path: Path, arff: Arff, ignore: Sequence[str]) -> tuple[str, ...]:
    """The features of the attributes that are not ignored."""
    unknown = [name for name in ignore if name not in (*arff.attributes, *arff.ignored)]
    if unknown:
        raise ValueError(f"{path}: expected an attribute {unknown[0]!r} to ignore, got none")
    numeric = [name for name in ignore if name in arff.attributes]
    ignored = {f"{name}={value}" for name in numeric for value in arff.attributes[name]}
    ignored |= {name for name in numeric if not arff.attributes[name]}
    names = tuple(name for name in arff.feature_names if name not in ignored)
    if not names:
        raise ValueError(f"{path}: expected attributes that are features, got none")
    return names


def _arff_blocks(
    path: Path, names: Sequence[str], id: str | None, size: int, reading: Mapping[str, Any]
) -> Iterator[Block]:
    from hierloss_adapters.arff import read_arff_features

    if id is not None:
        raise ValueError(f"{path}: expected no column of ids, an ARFF file has none")
    apt = {x: reading[x] for x in ("encoding", "sparse_base") if x in reading}
    found, known = read_arff_features(path, dtype=np.float64, **apt)
    features = found[:, _places(path, names, known)]
    check_size(path, features, names, 1)
    for done in range(0, max(len(features), 1), size):
        block = features[done : done + size]
        yield Block(_numbered(done, len(block)), block)


def _places(path: Path, names: Sequence[str], known: Sequence[str]) -> list[int]:
    """Where the features are among those of a file."""
    place = {name: i for i, name in enumerate(known)}
    missing = [name for name in names if name not in place]
    if missing:
        raise ValueError(f"{path}: expected a feature {missing[0]!r} as in training, got none")
    return [place[name] for name in names]


def _ids(path: Path, column: str, cells: Sequence[object], first: int) -> list[object]:
    for row, cell in enumerate(cells, first):
        if cell is None or cell == "":
            raise ValueError(
                f"{path}, column {column!r}, row {row}: expected what names the row, got nothing; "
                "fill it, or number the rows by leaving id away"
            )
    return list(cells)


def _numbered(done: int, n: int) -> list[object]:
    return list(range(done + 1, done + n + 1))


def _kind(path: Path) -> str:
    from hierloss_adapters._files import kind

    return kind(path)
