"""Data sets in the hierarchical ARFF format of Clus."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from hierloss import CycleError, Hierarchy, HierarchyError
from hierloss._input import OnCycle, check_separator, some
from hierloss._sample_labels import OnUnknown
from hierloss_adapters._arff_header import Attribute, read_header, without_comments
from hierloss_adapters._arff_rows import Labels, feature_names, read_rows
from hierloss_adapters._files import Source, at, stream_lines
from hierloss_adapters.graph import by_level

__all__ = ["Arff", "read_arff", "read_arff_features"]

Kind = Literal["tree", "dag"]

_EMPTY = ("?", "n")


@dataclass(frozen=True, eq=False)
class Arff:
    """What an ARFF file says.

    Attributes:
        relation: The name of the data.
        hierarchy: The classes, in the order of level, then of the file.
        features: `(samples, d)` numbers; a missing number is NaN, and a nominal attribute has one
            feature for each value, all of them 0 where it is missing.
        feature_names: The name of each feature, "attribute=value" for a nominal one.
        attributes: The attributes behind the features, each with its values if it is nominal.
        labels: The classes of each sample as the file has them, without their ancestors.
        ignored: The names of attributes that are no features, such as strings and keys.
    """

    relation: str
    hierarchy: Hierarchy
    features: NDArray[Any] = field(repr=False)
    feature_names: tuple[str, ...] = field(repr=False)
    attributes: Mapping[str, tuple[str, ...]] = field(repr=False)
    labels: tuple[tuple[str, ...], ...] = field(repr=False)
    ignored: tuple[str, ...] = ()

    def target(self, *, sparse: bool = False) -> Tensor:
        """The labels closed upward, `(samples, n)` bool; see `Hierarchy.encode`."""
        return self.hierarchy.encode(self.labels, sparse=sparse)


def read_arff(
    path: Source,
    *,
    kind: Kind | None = None,
    sep: str = "/",
    zero_ends: bool = False,
    sparse_base: int = 1,
    dtype: DTypeLike = np.float32,
    on_cycle: OnCycle = "raise",
    on_unknown: OnUnknown = "raise",
    known: Iterable[str] = (),
    encoding: str = "utf-8",
) -> Arff:
    r"""Read features, labels and the hierarchy of their classes from an ARFF file.

    The hierarchy is that of the attribute of type `hierarchical`: paths from a root down, whose
    last components need not differ, or the edges of a DAG as ``parent/child``. Classes may be
    declared twice, and children before their parents. A row has the classes of a sample between
    ``@``, and ``?`` or ``n`` if it has none. An attribute of type `classes` declares nothing; the
    paths of the rows are its classes. Attributes of one name become ``name-1``, ``name-2``.

    The rows are read one by one: what is in memory is the arrays that are returned.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        kind: "tree" if the classes are paths, "dag" if they are edges. Without it, classes that
            all have two components are edges, and others are paths.
        sep: What separates the components; Clus itself writes ``.`` by default.
        zero_ends: A component that is ``0`` ends the path, as Clus reads it: ``3/1/0`` is
            ``3/1``. By default it is a component like any other.
        sparse_base: The number of the first attribute in sparse rows, 1 as in Clus or 0 as in
            WEKA. What such a row leaves out is 0, or the first value of a nominal attribute.
        dtype: The type of the features, float32 or float64.
        on_cycle: As in `Hierarchy.from_edges`.
        on_unknown: "raise" if a row has a class that the header does not declare, or "drop" to
            leave out such classes, and warn of them.
        known: Classes that rows may have beside those that the header declares, such as those of a
            model to be tested; they are in `labels`, and unknown to `hierarchy`.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A line is malformed, as the message says, or there is no row. The type
            `timeseries` of Clus is not read.
        CycleError: The edges have a cycle and `on_cycle` is "raise".

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> lines = [
        ...     "@relation pets",
        ...     "@attribute weight numeric",
        ...     "@attribute coat {short,long}",
        ...     "@attribute class hierarchical pet,pet/cat,pet/dog",
        ...     "@data",
        ...     "4.5,long,pet/cat",
        ...     "?,?,pet/cat@pet/dog",
        ... ]
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.arff")
        ...     _ = path.write_text("\n".join(lines))
        ...     pets = read_arff(path)
        >>> pets.feature_names
        ('weight', 'coat=short', 'coat=long')
        >>> pets.features
        array([[4.5, 0. , 1. ],
               [nan, 0. , 0. ]], dtype=float32)
        >>> pets.target()
        tensor([[ True,  True, False],
                [ True,  True,  True]])
    """
    _check_options(kind, sep, zero_ends, sparse_base, dtype)
    if on_unknown not in ("raise", "drop"):
        raise ValueError(f"expected on_unknown 'raise' or 'drop', got {on_unknown!r}")
    lines = without_comments(stream_lines(path, encoding))
    header = read_header(path, lines)
    (classes,) = (x for x in header.attributes if x.type == "classes")
    hierarchy = _declared(path, classes, kind, sep, zero_ends, on_cycle)
    other = _other_kind(classes.values, kind, sep, zero_ends)
    read = _LabelReader(hierarchy, known, sep, zero_ends, on_unknown, other)
    rows = read_rows(path, lines, header, read, sparse_base=sparse_base, dtype=dtype)
    if read.lost:
        lost = some(list(read.lost))
        warnings.warn(
            f"{path}: classes left out that the header does not declare: {lost}", stacklevel=2
        )
    if hierarchy is None and not read.found:
        raise at(path, header.line, "expected at least one class in the rows below, got none")
    used = [x for x in header.attributes if x.type in ("numeric", "nominal")]
    return Arff(
        relation=header.relation,
        hierarchy=hierarchy or Hierarchy.from_paths(read.found, sep),
        features=rows.features,
        feature_names=tuple(feature_names(used)),
        attributes={x.name: x.values for x in used},
        labels=rows.labels,
        ignored=tuple(x.name for x in header.attributes if x.type == "ignored"),
    )


def read_arff_features(
    path: Source,
    *,
    sparse_base: int = 1,
    dtype: DTypeLike = np.float32,
    encoding: str = "utf-8",
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Read only the features of an ARFF file, which need not have labels.

    Arguments, and what features are, as in `read_arff`.

    Returns:
        `(samples, d)` numbers, and the name of each feature.

    Raises:
        HierarchyError: A line is malformed, as the message says.
    """
    _check_options(None, "/", False, sparse_base, dtype)
    lines = without_comments(stream_lines(path, encoding))
    header = read_header(path, lines, labelled=False)
    rows = read_rows(path, lines, header, lambda _: (), sparse_base=sparse_base, dtype=dtype)
    return rows.features, tuple(feature_names(header.attributes))


class _LabelReader:
    """The classes of a label cell; without a hierarchy it takes any path, and keeps it."""

    def __init__(
        self,
        hierarchy: Hierarchy | None,
        known: Iterable[str],
        sep: str,
        zero_ends: bool,
        on_unknown: OnUnknown,
        other: Kind | None,
    ) -> None:
        self.known = None if hierarchy is None else {x: x for x in (*hierarchy, *known)}
        self.found: dict[str, str] = {}
        self.lost: dict[str, None] = {}
        self.sep, self.zero_ends = sep, zero_ends
        self.on_unknown, self.other = on_unknown, other

    def __call__(self, text: str) -> Labels:
        if text in _EMPTY and text not in (self.known or ()):
            return ()
        found = (self._class(label.strip()) for label in text.split("@"))
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def _class(self, label: str) -> str | None:
        path = _cut(label, self.sep) if self.zero_ends else label
        if self.known is None:
            _check_components(path, self.sep)
            return self.found.setdefault(path, path)
        name = self.known.get(path) or self.known.get(_without_abundance(path))
        if name is None and self.on_unknown == "raise":
            what = {"tree": "paths", "dag": "edges"}
            hint = (
                f", or kind={self.other!r} if classes are {what[self.other]}" if self.other else ""
            )
            raise ValueError(
                f"expected classes that the header declares between @, got {label!r}; declare it, "
                f"or pass on_unknown='drop' to leave such out{hint}"
            )
        if name is None:
            self.lost[label] = None
        return name


def _declared(
    path: Source,
    classes: Attribute,
    kind: Kind | None,
    sep: str,
    zero_ends: bool,
    on_cycle: OnCycle,
) -> Hierarchy | None:
    """The hierarchy that the header declares, if it does."""
    if not classes.values:
        if kind == "dag":
            problem = f"expected edges, got {classes.name!r} of type 'classes'; leave kind away"
            raise at(path, classes.line, problem)
        return None
    kind = _kind(classes.values, kind, sep, zero_ends)
    try:
        for entry in classes.values:
            _check_components(entry, sep)
        if kind == "dag":
            return _dag(classes.values, sep, on_cycle)
        return Hierarchy.from_paths((_cut(x, sep) if zero_ends else x for x in classes.values), sep)
    except CycleError as error:
        error.args = (str(at(path, classes.line, str(error))),)
        raise
    except HierarchyError as error:
        raise at(path, classes.line, str(error)) from error


def _kind(values: Sequence[str], kind: Kind | None, sep: str, zero_ends: bool) -> Kind:
    if kind is not None:
        return kind
    pairs = all(x.count(sep) == 1 for x in values)
    return "dag" if pairs and not zero_ends else "tree"


def _other_kind(values: Sequence[str], kind: Kind | None, sep: str, zero_ends: bool) -> Kind | None:
    """What else the classes could be."""
    if _kind(values, kind, sep, zero_ends) == "dag":
        return "tree"
    return None if zero_ends or any(x.count(sep) > 1 for x in values) else "dag"


def _dag(classes: Iterable[str], sep: str, on_cycle: OnCycle) -> Hierarchy:
    chains = [entry.split(sep) for entry in classes]
    for chain in chains:
        if len(chain) > 2:
            raise HierarchyError(
                f"expected edges 'parent{sep}child', got {sep.join(chain)!r}; for paths pass "
                "kind='tree'"
            )
    names = dict.fromkeys(name for chain in chains for name in chain)
    edges = [(chain[1], chain[0]) for chain in chains if len(chain) == 2]
    return by_level(names, edges, on_cycle=on_cycle)


def _check_components(path: str, sep: str) -> None:
    if not all(path.split(sep)):
        raise HierarchyError(
            f"expected components between separators {sep!r}, got {path!r}; mend it"
        )


def _cut(path: str, sep: str) -> str:
    """The path up to a component 0, which must be its last one."""
    parts = path.split(sep)
    if "0" in parts[:-1] or parts == ["0"]:
        raise HierarchyError(
            f"expected a path that 0 may end, got {path!r}; mend it, or leave zero_ends away"
        )
    return path.removesuffix(f"{sep}0")


def _without_abundance(label: str) -> str:
    return re.sub(r":[0-9.eE+-]+$", "", label)


def _check_options(
    kind: str | None, sep: str, zero_ends: bool, sparse_base: int, dtype: DTypeLike
) -> None:
    check_separator(sep)
    if kind not in (None, "tree", "dag"):
        raise ValueError(f"expected kind 'tree', 'dag' or None, got {kind!r}")
    if kind == "dag" and zero_ends:
        raise ValueError("expected kind='tree' with zero_ends, got 'dag'; only paths can end")
    if sparse_base not in (0, 1):
        raise ValueError(f"expected sparse_base 0 or 1, got {sparse_base!r}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"expected dtype float32 or float64, got {np.dtype(dtype)}")
