"""Data frames of pandas: edges, paths, classes, and scores or targets by the names of classes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hierloss import Hierarchy, HierarchyError
from hierloss._input import OnCycle, check_known, check_separator
from hierloss_adapters.graph import by_level

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = [
    "from_frame",
    "from_path_columns",
    "from_wide",
    "to_class_frame",
    "to_frame",
    "to_paths",
    "to_wide",
]


def from_frame(
    frame: DataFrame,
    *,
    child: Hashable = "child",
    parent: Hashable = "parent",
    names: Iterable[str] | None = None,
    on_cycle: OnCycle = "raise",
) -> Hierarchy:
    """Hierarchy of a frame with an edge in each row.

    A row whose parent is missing or empty declares a class, for instance a root. Blanks around a
    name do not count, nor do other columns.

    Args:
        frame: The edges.
        child: The column of children.
        parent: The column of parents.
        names: The column order of the hierarchy. Without it, classes are ordered by level, then by
            first appearance.
        on_cycle: As in `Hierarchy.from_edges`, with the same errors.

    Raises:
        TypeError: A class is no string; identifiers that are numbers have to be read as strings.
        HierarchyError: A column or a child is missing, or the edges are no hierarchy.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"taxon": ["cat", "dog"], "genus": ["animal", "animal"]})
        >>> from_frame(frame, child="taxon", parent="genus").edges
        (('cat', 'animal'), ('dog', 'animal'))
    """
    low, high = (_strings(frame, column) for column in (child, parent))
    if not all(low):
        row = frame.index[low.index("")]
        raise _at(row, f"expected a child in the column {child!r}, got none; name it")
    edges = [pair for pair in zip(low, high, strict=True) if pair[1]]
    found = dict.fromkeys(name for pair in zip(low, high, strict=True) for name in pair if name)
    if names is None:
        return by_level(found, edges, on_cycle=on_cycle)
    order = list(names)
    check_known(found, set(order), "the frame has the class")
    return Hierarchy.from_edges(edges, order, on_cycle=on_cycle)


def from_path_columns(
    frame: DataFrame, columns: Sequence[Hashable], *, sep: str = "/"
) -> Hierarchy:
    """Hierarchy of a frame with a column for each level, such as a catalogue of products.

    The name of a class is its full path, as `to_paths` writes it, without blanks around levels.

    Args:
        frame: A row for each product, or for each path.
        columns: The columns of the levels, from the top down.
        sep: What separates the components of a name.

    Raises:
        TypeError: A level is no string.
        HierarchyError: As in `to_paths`, or no row has a level.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"category": ["Food", "Toys"], "shelf": ["Tea", None]})
        >>> from_path_columns(frame, ["category", "shelf"]).names
        ('Food', 'Toys', 'Food/Tea')
    """
    return Hierarchy.from_paths(to_paths(frame, columns, sep=sep).dropna(), sep)


def to_paths(frame: DataFrame, columns: Sequence[Hashable], *, sep: str = "/") -> Series[str]:
    """The path of each row of a frame with a column for each level.

    A path ends before the first level that is missing or empty. Blanks around a level do not count.
    A row without any level has no path: it is missing in the result.

    Args:
        frame: A row for each product, or for each path.
        columns: The columns of the levels, from the top down.
        sep: What separates the components of a path.

    Raises:
        TypeError: A level is no string.
        HierarchyError: A column is not there, a level is missing above one that is there, or the
            separator would not separate the levels.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"category": ["Food", "Toys"], "shelf": ["Tea", None]})
        >>> to_paths(frame, ["category", "shelf"]).tolist()
        ['Food/Tea', 'Toys']
    """
    pandas = _require_pandas()
    check_separator(sep)
    order = [] if isinstance(columns, str) else list(columns)
    if not order:
        raise ValueError(f"expected a sequence of columns, from the top down, got {columns!r}")
    levels = [_strings(frame, column) for column in order]
    paths = [_path(row, x, sep) for row, *x in zip(frame.index, *levels, strict=True)]
    return pandas.Series(paths, frame.index, dtype="string", name="path")


def to_frame(hierarchy: Hierarchy) -> DataFrame:
    """The edges of a hierarchy, in the columns "child" and "parent"; `from_frame` reads it.

    The rows are in the column order of the child, a root has one without a parent. Aliases are
    left out.

    Example:
        >>> to_frame(Hierarchy.from_edges([("cat", "animal")])).fillna("-").values.tolist()
        [['animal', '-'], ['cat', 'animal']]
    """
    pandas = _require_pandas()
    rows = [(x, parent) for x in hierarchy for parent in hierarchy.parents(x) or (None,)]
    return pandas.DataFrame(rows, columns=["child", "parent"], dtype="string")


def to_class_frame(hierarchy: Hierarchy) -> DataFrame:
    """What is known of each class: a row for each, in column order, with its name as the index.

    The columns are "level", "parents" (a tuple of names), "n_children" and "n_descendants". More
    is put beside them by name, as in ``frame.assign(label=pd.Series(ontology.labels))``.

    Example:
        >>> h = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> to_class_frame(h)["n_descendants"].to_dict()
        {'animal': 2, 'cat': 0, 'dog': 0}
    """
    pandas = _require_pandas()
    columns = range(len(hierarchy))
    return pandas.DataFrame(
        {
            "level": hierarchy.levels,
            "parents": [hierarchy.parents(x) for x in hierarchy],
            "n_children": [len(hierarchy.children(i)) for i in columns],
            "n_descendants": [len(hierarchy.descendants(i)) for i in columns],
        },
        index=pandas.Index(hierarchy.names, name="class"),
    )


def from_wide(frame: DataFrame, hierarchy: Hierarchy) -> Tensor:
    """Scores or targets of a frame with a column for each class, in the order of the hierarchy.

    Columns are found by the names or aliases of classes, wherever they stand. A missing entry is
    NaN, which in a target says that it is unknown. Write unknown in one way: since -1 may be a
    score, it stays -1.0 beside NaN, and losses refuse that. ``frame.replace(-1, float("nan"))``
    makes one of both.

    Args:
        frame: A row for each sample.
        hierarchy: The hierarchy.

    Shape:
        Output: `(rows, n)`; bool if all columns are, int64 if all are bool or integers, and
        otherwise, as wherever an entry is missing, of the default dtype of PyTorch.

    Raises:
        UnknownClassError: A column is that of no class.
        HierarchyError: A class has no column, or two.
        TypeError: A column holds no numbers.

    Example:
        >>> import pandas as pd
        >>> h = Hierarchy.from_edges([("cat", "animal")])
        >>> from_wide(pd.DataFrame({"cat": [True, False], "animal": [True, True]}), h)
        tensor([[ True,  True],
                [ True, False]])
    """
    frame = _aligned(frame, hierarchy)
    kinds = {_kind(column, dtype) for column, dtype in frame.dtypes.items()}
    if "f" in kinds or frame.isna().to_numpy().any():
        array = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        array = frame.to_numpy(dtype=bool if kinds == {"b"} else np.int64)
    # PyTorch takes no negative strides, which pandas makes of columns in reverse order.
    found = torch.from_numpy(np.array(array, order="C"))
    return found.to(torch.get_default_dtype()) if found.is_floating_point() else found


def to_wide(
    values: Tensor | ArrayLike | DataFrame,
    hierarchy: Hierarchy,
    index: Iterable[Hashable] | None = None,
) -> DataFrame:
    """A frame of scores or targets, with a column for each class, called by its name.

    Args:
        values: `(rows, n)`, in the column order of the hierarchy, or a frame, whose columns are
            found by the names or aliases of classes.
        hierarchy: The hierarchy.
        index: The names of the rows; by default those of a frame, or their numbers.

    Raises:
        ValueError: The values are not of that shape, or the index has another length.
        HierarchyError: A column of a frame is that of no class, or a class has none, or two.

    Example:
        >>> h = Hierarchy.from_edges([("cat", "animal")])
        >>> to_wide([[0.75, 0.5]], h, ["Tom"]).loc["Tom", "cat"].item()
        0.5
    """
    pandas = _require_pandas()
    names = list(hierarchy)
    rows = index if index is None or isinstance(index, pandas.Index) else list(index)
    if isinstance(values, pandas.DataFrame):
        frame = _aligned(values, hierarchy).set_axis(names, axis=1)
        return frame if rows is None else frame.set_axis(rows, axis=0)
    array = _array(values)
    if array.ndim != 2 or array.shape[1] != len(hierarchy):
        raise ValueError(
            f"expected values (rows, {len(hierarchy)}), a column for each class, got "
            f"{tuple(array.shape)}"
        )
    return pandas.DataFrame(array, index=rows, columns=names)


def _strings(frame: DataFrame, column: Hashable) -> list[str]:
    """The cells of a column without blanks around them, empty where they are missing."""
    if list(frame.columns).count(column) != 1:
        raise HierarchyError(
            f"expected one column {column!r}, got the columns {list(frame.columns)}; name the right"
        )
    missing = frame[column].isna()
    found = ["" if gone else x for x, gone in zip(frame[column], missing, strict=True)]
    for row, cell in zip(frame.index, found, strict=True):
        if not isinstance(cell, str):
            raise TypeError(
                f"row {row!r}: expected a string in the column {column!r}, got {cell!r}; read "
                "identifiers as strings, as pandas.read_csv(..., dtype=str) does"
            )
    return [cell.strip() for cell in found]


def _path(row: Hashable, levels: Sequence[str], sep: str) -> str | None:
    parts = [level for level in levels if level]
    if not all(levels[: len(parts)]):
        raise _at(row, f"expected no level below a missing one, got {list(levels)}; fill the gap")
    path = sep.join(parts)
    if parts and path.split(sep) != parts:
        raise _at(row, f"expected levels that {sep!r} separates, got {parts}; pass another sep")
    return path or None


def _aligned(frame: DataFrame, hierarchy: Hierarchy) -> DataFrame:
    known = {*hierarchy, *hierarchy.aliases}
    check_known(frame.columns, known, "the frame has the column")
    place: dict[int, int] = {}
    for i, name in enumerate(frame.columns):
        first = place.setdefault(hierarchy.index(name), i)
        if first != i:
            raise HierarchyError(
                f"expected one column for each class, got {frame.columns[first]!r} and {name!r}; "
                "drop one of the two"
            )
    lacking = [name for i, name in enumerate(hierarchy) if i not in place]
    if lacking:
        more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
        raise HierarchyError(
            f"expected a column for each class, got none for {lacking[0]!r}{more}; "
            "frame.reindex(columns=hierarchy.names) makes them unknown"
        )
    return frame.iloc[:, [place[i] for i in range(len(hierarchy))]]


def _kind(column: Hashable, dtype: Any) -> str:
    if dtype.kind not in "biuf":
        raise TypeError(
            f"expected numbers in the column {column!r}, got {dtype}; frame.convert_dtypes() "
            "tells what is in it"
        )
    return str(dtype.kind)


def _array(values: Tensor | ArrayLike) -> np.ndarray[Any, Any]:
    if not isinstance(values, Tensor):
        return np.asarray(values)
    dense = values.detach().cpu().to_dense()
    return (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()


def _at(row: Hashable, message: str) -> HierarchyError:
    return HierarchyError(f"row {row!r}: {message}")


def _require_pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            'expected pandas, got none; for this pip install "hierloss[pandas]"'
        ) from error
    return pandas
