"""Samples to train on or to predict for: anyone's ARFF, CSV and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss.errors import UnknownClassError
from hierloss.hierarchy import Hierarchy

__all__ = ["Block", "Samples", "read_features", "read_samples"]


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
    path: Path,
    hierarchy: Hierarchy | None = None,
    *,
    labels: str | None = None,
    sep: str = ";",
    ignore: Sequence[str] = (),
) -> Samples:
    """Read samples and their classes.

    In an ARFF file the attribute of type `hierarchical` has the classes. In a table, a CSV, TSV or
    Parquet file, a column has their names, also as lists in a Parquet file. Or classes have columns
    of their own with 0 and 1, or nothing where that is unknown; a class without a column is
    positive if one below it is, else unknown if one below it is, else negative. All other columns
    are features.

    Args:
        path: The file; its name says what it is.
        hierarchy: The hierarchy of the classes. An ARFF file has its own.
        labels: The column of a table that has the names of the classes.
        sep: What separates the names.
        ignore: Columns that are no features.

    Raises:
        ValueError: A class is unknown, a column missing, a cell no number or too large a one, a
            class has two columns, or is 0 where one below it is 1, or there are no rows.
        ImportError: pyarrow is missing, and the file is a Parquet file.
    """
    if _is_arff(path):
        if labels is not None:
            raise ValueError(f"{path}: expected no column of labels, an ARFF file has its own")
        return _from_arff(path, hierarchy, ignore)
    if hierarchy is None:
        raise ValueError(f"{path}: expected a hierarchy beside a table, got none")
    if not sep:
        raise ValueError("expected a separator between the names of classes, got ''")
    samples = _from_table(path, hierarchy, labels, sep, ignore)
    if not len(samples.features):
        raise ValueError(f"{path}: expected rows below the header, got none")
    return samples


def read_features(
    path: Path, names: Sequence[str], *, id: str | None = None, size: int = 1024
) -> Iterator[Block]:
    """Read features by their names, a number of samples at a time.

    Of a table only so many rows are in memory; an ARFF file is read as a whole, and needs no
    classes. Of a file without rows there is one block of no samples.

    Args:
        path: An ARFF, CSV, TSV or Parquet file.
        names: The names of the features; what else the file has is passed over.
        id: The column of a table that names the samples, by default their number.
        size: How many samples at a time.

    Raises:
        ValueError: A feature is missing, or a cell is no number or too large a one.
    """
    if _is_arff(path):
        yield from _arff_blocks(path, names, id, size)
        return
    from hierloss_adapters.tabular import read_table

    done = 0
    wanted = list(dict.fromkeys([*names, *([id] if id else [])]))
    for columns in read_table(path, wanted, size=size):
        features = _features(path, columns, names, done + 1)
        yield Block(columns[id] if id else _numbered(done, len(features)), features)
        done += len(features)
    if not done:
        yield Block([], np.empty((0, len(names))))


def _from_arff(path: Path, hierarchy: Hierarchy | None, ignore: Sequence[str]) -> Samples:
    from hierloss_adapters.arff import read_arff

    arff = read_arff(path, dtype=np.float64)
    hierarchy = arff.hierarchy if hierarchy is None else hierarchy
    unknown = [name for name in ignore if name not in arff.attributes]
    if unknown:
        raise ValueError(f"{path}: expected an attribute {unknown[0]!r} to ignore, got none")
    ignored = {f"{name}={value}" for name in ignore for value in arff.attributes[name]}
    ignored |= {name for name in ignore if not arff.attributes[name]}
    kept = [i for i, name in enumerate(arff.feature_names) if name not in ignored]
    names = tuple(arff.feature_names[i] for i in kept)
    features = arff.features[:, kept]
    _check_size(path, features, names, 1)
    return Samples(features, names, hierarchy.encode(arff.labels), hierarchy)


def _from_table(
    path: Path, hierarchy: Hierarchy, labels: str | None, sep: str, ignore: Sequence[str]
) -> Samples:
    from hierloss_adapters.tabular import column_names, read_table

    columns = column_names(path)
    for name in [*ignore, *([labels] if labels else [])]:
        if name not in columns:
            some = ", ".join(map(repr, columns[:8])) + (", ..." if len(columns) > 8 else "")
            raise ValueError(
                f"{path}: expected a column {name!r}, got none of that name but {some}"
            )
    marks = [] if labels else [x for x in columns if _is_class(x, hierarchy) and x not in ignore]
    if not labels and not marks:
        raise ValueError(
            f"{path}: expected a column called like a class, such as {hierarchy.names[0]!r}, got "
            "none; or say which column has the names of the classes, with --labels"
        )
    _check_once(path, marks, hierarchy)
    apart = {*ignore, *marks, labels}
    names = [name for name in columns if name not in apart]
    if not names:
        raise ValueError(f"{path}: expected columns with features, got none")
    told = [name for name in names if _is_class(name, hierarchy)]
    if told:
        raise ValueError(
            f"{path}: expected features beside {labels!r}, got {told[0]!r}, which is a class; give "
            f"--ignore {told[0]}, or call the column otherwise if it is a feature"
        )
    features, targets = [np.empty((0, len(names)))], []
    done = 1
    for block in read_table(path, [*names, *marks, *([labels] if labels else [])]):
        features.append(_features(path, block, names, done))
        if labels:
            targets.append(_named(path, block[labels], labels, sep, hierarchy, done))
        else:
            targets.append(_marked(path, block, marks, hierarchy, done))
        done += len(features[-1])
    target = torch.cat(targets) if targets else torch.zeros(0, len(hierarchy))
    return Samples(np.concatenate(features), tuple(names), target, hierarchy)


def _named(
    path: Path, cells: Sequence[object], labels: str, sep: str, hierarchy: Hierarchy, first: int
) -> Tensor:
    """The target of names of classes."""
    split = [_names(cell, sep) for cell in cells]
    for row, names in enumerate(split, first):
        for name in names:
            if not _is_class(name, hierarchy):
                raise UnknownClassError(
                    f"{path}, column {labels!r}, row {row}: expected classes of the hierarchy "
                    f"between {sep!r}, got {name!r}"
                )
    return hierarchy.encode(split)


def _names(cell: object, sep: str) -> list[str]:
    """The names in a cell, which a Parquet file may have as a list."""
    if cell is None:
        return []
    given = cell if isinstance(cell, list) else str(cell).split(sep)
    return [name for name in (str(x).strip() for x in given) if name]


def _check_once(path: Path, marks: Sequence[str], hierarchy: Hierarchy) -> None:
    """Raise if a class has a column by its name and another by an alias."""
    seen: dict[int, str] = {}
    for name in marks:
        other = seen.setdefault(hierarchy.index(name), name)
        if other != name:
            raise ValueError(
                f"{path}: expected one column for a class, got {other!r} and {name!r}, which are "
                "the same class; pass over one of them with --ignore"
            )


def _marked(
    path: Path,
    block: dict[str, list[object]],
    marks: Sequence[str],
    hierarchy: Hierarchy,
    first: int,
) -> Tensor:
    """The target of columns for classes; what is above them follows, where they do not say it."""
    found = _features(path, block, marks, first, {"true": "1", "false": "0"})
    wrong = np.argwhere((found != 0) & (found != 1) & ~np.isnan(found))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{path}, column {marks[column]!r}, row {first + row}: expected 0 or 1, or nothing for "
            f"unknown, got {found[row, column]:g}"
        )
    own = [hierarchy.index(x) for x in marks]
    target = torch.zeros(len(found), len(hierarchy))
    target[:, own] = torch.from_numpy(found).float()
    above = hierarchy.close(target.isnan())  # something below is unknown
    above[:, own] = False
    target = hierarchy.close(target.masked_fill(above, torch.nan))
    wrong = np.argwhere((found == 0) & (target[:, own] == 1).numpy())
    if len(wrong):
        row, column = wrong[0]
        below = hierarchy.descendants(own[column])
        name = next(x for i, x in enumerate(marks) if found[row, i] == 1 and own[i] in below)
        raise ValueError(
            f"{path}, row {first + row}: expected 1 for the ancestors of a class with 1, got "
            f"{name!r} = 1 and its ancestor {marks[column]!r} = 0; mend one of them, or leave the "
            "ancestor empty"
        )
    return target if target.isnan().any() else target == 1


def _features(
    path: Path,
    columns: dict[str, list[object]],
    names: Sequence[str],
    first: int,
    words: dict[str, str] | None = None,
) -> NDArray[np.float64]:
    from hierloss_adapters.tabular import numbers

    found = np.empty((len(next(iter(columns.values()))), len(names)))
    for i, name in enumerate(names):
        cells: Sequence[object] = columns[name]
        if words:
            cells = [words.get(str(x).lower(), x) for x in cells]
        found[:, i] = numbers(cells, f"{path}, column {name!r}", first)
    _check_size(path, found, names, first)
    return found


def _check_size(path: Path, features: NDArray[Any], names: Sequence[str], first: int) -> None:
    """Raise if a feature is too large for a network."""
    large = np.argwhere(np.abs(features) > np.finfo(np.float32).max)
    if len(large):
        row, column = large[0]
        raise ValueError(
            f"{path}, column {names[column]!r}, row {first + row}: expected a number that float32 "
            f"can hold, got {features[row, column]:g}"
        )


def _arff_blocks(path: Path, names: Sequence[str], id: str | None, size: int) -> Iterator[Block]:
    from hierloss_adapters.arff import read_arff_features

    if id is not None:
        raise ValueError(f"{path}: expected no column of ids, an ARFF file has none")
    found, known = read_arff_features(path, dtype=np.float64)
    place = {name: i for i, name in enumerate(known)}
    missing = [name for name in names if name not in place]
    if missing:
        raise ValueError(f"{path}: expected a feature {missing[0]!r} as in training, got none")
    features = found[:, [place[name] for name in names]]
    _check_size(path, features, names, 1)
    for done in range(0, max(len(features), 1), size):
        block = features[done : done + size]
        yield Block(_numbered(done, len(block)), block)


def _numbered(done: int, n: int) -> list[object]:
    return list(range(done + 1, done + n + 1))


def _is_class(name: str, hierarchy: Hierarchy) -> bool:
    return name in hierarchy or name in hierarchy.aliases


def _is_arff(path: Path) -> bool:
    return ".arff" in [suffix.lower() for suffix in path.suffixes]
