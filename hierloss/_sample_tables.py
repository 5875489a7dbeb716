"""The features and labels of tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss._input import some
from hierloss._sample_features import Parts, parts, parts_of, to_features
from hierloss._sample_labels import LabelReader, Labels
from hierloss.hierarchy import Hierarchy


def from_table(
    path: Path,
    hierarchy: Hierarchy,
    how: Labels,
    ignore: Sequence[str],
    wanted: Sequence[str] | None,
    reading: Mapping[str, Any],
) -> tuple[NDArray[Any], tuple[str, ...], Tensor]:
    """Features, their names, and the target of the rows of a table."""
    from hierloss_adapters.tabular import column_names, index_names, read_table

    labels = how.column
    columns = column_names(path, **reading)
    rest, marks = _layout(path, columns, hierarchy, labels, ignore, wanted)
    own = parts(path, rest) if wanted is None else parts_of(wanted, columns)
    names = list(chain(*own.values())) if wanted is None else list(wanted)
    _check_index(path, index_names(path, list(own)))
    if marks:
        _tell_missing(path, marks, hierarchy)
    features, targets = [np.empty((0, len(names)))], []
    reader = LabelReader(path, hierarchy, how)
    done = 1
    for block in read_table(path, [*own, *marks, *([labels] if labels else [])], **reading):
        found = _features(path, block, own, names, done, known=wanted is not None)
        if labels:
            rows, target = reader(block[labels], done)
        else:
            rows, target = _marked(path, block, marks, reader, done)
        features.append(found[rows])
        targets.append(target)
        done += len(found)
    reader.report(done - 1)
    target = torch.cat(targets) if targets else torch.zeros(0, len(hierarchy))
    return np.concatenate(features), tuple(names), target


def _features(
    path: Path,
    block: Mapping[str, Sequence[object]],
    own: Parts,
    names: Sequence[str],
    first: int,
    *,
    known: bool,
) -> NDArray[np.float64]:
    """The features; an error says how a column is none, unless they are known from training."""
    try:
        return to_features(path, block, own, names, first)
    except ValueError as error:
        if known:
            raise
        raise ValueError(f"{error}; if it is no feature, pass the column as ignore=") from error


def _layout(
    path: Path,
    columns: Sequence[str],
    hierarchy: Hierarchy,
    labels: str | None,
    ignore: Sequence[str],
    wanted: Sequence[str] | None,
) -> tuple[list[str], list[str]]:
    """The columns that are features or passed over, and those that are classes."""
    needed = list(ignore) if wanted is None else []
    _check_there(path, [*needed, *([labels] if labels else [])], columns)
    marks = [] if labels else [x for x in columns if x in hierarchy and x not in ignore]
    if not labels and not marks:
        raise ValueError(
            f"{path}: expected a column called like a class, such as {hierarchy.names[0]!r}, got "
            "none; or say which column has the names of the classes by labels="
        )
    _check_once(path, marks, hierarchy)
    apart = {*ignore, *marks, labels}
    names = [name for name in columns if name not in apart]
    if not names:
        raise ValueError(f"{path}: expected columns with features, got none")
    if wanted is None or not labels:
        _check_features(path, names, labels, hierarchy)
    return names, marks


def _check_there(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    for name in names:
        if name not in columns:
            raise ValueError(
                f"{path}: expected a column {name!r}, got none of that name but {some(columns, 8)}"
            )


def _check_features(
    path: Path, names: Sequence[str], labels: str | None, hierarchy: Hierarchy
) -> None:
    """Raise if a feature is called like a class, be it in other letters or between blanks."""
    plain = {_plain(x): x for x in (*hierarchy.aliases, *hierarchy)}
    for name in names:
        if name in hierarchy:
            raise ValueError(
                f"{path}: expected features beside {labels!r}, got {name!r}, which is a class; "
                f"pass ignore=({name!r},), or call the column otherwise if it is a feature"
            )
        if _plain(name) in plain:
            own = plain[_plain(name)]
            raise ValueError(
                f"{path}: expected features, got {name!r}, which is the class {own!r} but for "
                f"capitals or blanks; call the column {own!r} if it has the labels, pass "
                f"ignore=({name!r},) to pass over it, or call it otherwise if it is a feature"
            )


def _plain(name: str) -> str:
    return name.strip().casefold()


def _tell_missing(path: Path, marks: Sequence[str], hierarchy: Hierarchy) -> None:
    """Warn of classes of which no column says anything; a name may be mistyped."""
    own = {hierarchy.index(x) for x in marks}
    missing = [x for x in hierarchy.leaves if hierarchy.index(x) not in own]
    if missing:
        warnings.warn(
            f"{path}: classes without a column, taken for 0 in all rows: {some(missing)} "
            f"({len(missing):,} of {len(hierarchy):,})",
            stacklevel=4,
        )


def _check_index(path: Path, found: Sequence[str]) -> None:
    """Raise if features are the index of a data frame."""
    if found:
        raise ValueError(
            f"{path}: expected columns with features, got {found[0]!r}, the index of a data frame; "
            f"pass ignore=({found[0]!r},), or write the file with index=False"
        )


def _check_once(path: Path, marks: Sequence[str], hierarchy: Hierarchy) -> None:
    """Raise if a class has a column by its name and another by an alias."""
    seen: dict[int, str] = {}
    for name in marks:
        other = seen.setdefault(hierarchy.index(name), name)
        if other != name:
            raise ValueError(
                f"{path}: expected one column for a class, got {other!r} and {name!r}, which are "
                f"the same class; pass over one of them by ignore=({other!r},)"
            )


def _marked(
    path: Path,
    block: dict[str, list[object]],
    marks: Sequence[str],
    reader: LabelReader,
    first: int,
) -> tuple[list[int], Tensor]:
    """Which of the rows count, and their target, of columns for classes."""
    found = to_features(path, block, {x: [x] for x in marks}, marks, first)
    wrong = np.argwhere((found != 0) & (found != 1) & ~np.isnan(found))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{path}, column {marks[column]!r}, row {first + row}: expected 0 or 1, or nothing for "
            f"unknown, got {found[row, column]:g}"
        )
    known = [not row.all() for row in np.isnan(found)]
    rows = reader.marked(known, first)
    if reader.how.on_unlabelled == "negative":
        found[[i for i, x in enumerate(known) if not x]] = 0
    return rows, _closed(path, found, marks, reader.hierarchy, first)[rows]


def _closed(
    path: Path, found: NDArray[Any], marks: Sequence[str], hierarchy: Hierarchy, first: int
) -> Tensor:
    """The target of known classes; what is above them follows, where they do not say it."""
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
