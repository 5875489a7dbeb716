"""The forms in which scikit-learn's users have labels: a class each, sets of them, a matrix."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from hierloss import Hierarchy

Form = Literal["one", "sets", "matrix", "sparse"]

COLLECTIONS = (list, tuple, set, frozenset, np.ndarray)
BLOCK = 1024


class Labels(NamedTuple):
    """Labels as they came.

    Attributes:
        form: "one" class for each sample, "sets" of names, a "matrix", or a "sparse" one.
        values: An array, a list of lists, or a sparse matrix.
        names: What the columns of a matrix are called, where they are.
    """

    form: Form
    values: Any
    names: tuple[str, ...] | None = None


def read(y: Any, n: int | None = None) -> Labels:
    """Labels in any form.

    Args:
        y: The labels.
        n: How many classes there are, where that is known: a matrix may have a single column.

    Raises:
        ValueError: No labels, a table of levels, or a value that is no label.
    """
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None")
    if sparse.issparse(y):
        return Labels("sparse", _marks(y.tocsr()))
    if isinstance(y, Tensor) and y.layout != torch.strided:
        coo = y.detach().cpu().to_sparse().coalesce()
        parts = coo.values().numpy(), tuple(coo.indices().numpy())
        return Labels("sparse", _marks(sparse.csr_array(parts, shape=tuple(coo.shape))))
    if isinstance(y, Tensor):
        y = y.detach().cpu().numpy()
    if _are_sets(y):
        return Labels("sets", [_set(i, row) for i, row in enumerate(y)])
    values = check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y")
    if values.ndim == 2 and (values.shape[1] != 1 or n == 1):
        return Labels("matrix", _marks(_numbers(values)), _column_names(y))
    values = column_or_1d(values, warn=True)
    others = [x for x in values.tolist() if not isinstance(x, str)]
    if 0 < len(others) < len(values):
        raise ValueError(
            f"expected a class for each sample, got {others[0]!r} beside names; leave such rows out"
        )
    if others:
        assert_all_finite(values, input_name="y")
        check_classification_targets(values)
    return Labels("one", values)


def inferred(labels: Labels, sep: str) -> Hierarchy:
    """The hierarchy of labels that are paths; classes that are numbers have no parents.

    Raises:
        ValueError: The columns of a matrix have no names.
    """
    if labels.form in ("matrix", "sparse") and labels.names is None:
        raise ValueError(
            "expected a hierarchy beside a matrix whose columns have no names, got none; pass "
            "hierarchy=, or a DataFrame whose columns are paths"
        )
    if labels.names is not None:
        return _of_paths(labels.names, sep, labels.names)
    if labels.form == "sets":
        return _of_paths(sorted({name for row in labels.values for name in row}), sep)
    found = np.unique(labels.values).tolist()
    if all(isinstance(x, str) for x in found):
        return _of_paths(found, sep)
    return Hierarchy.from_edges([], names=[str(x) for x in found])


def classes_of(labels: Labels, hierarchy: Hierarchy, given: bool) -> NDArray[Any]:
    """What stands for each class, in column order: its name, or the number that it is in labels.

    Args:
        labels: The labels.
        hierarchy: Their hierarchy.
        given: Whether it was given, and has names of its own.

    Raises:
        ValueError: The hierarchy was given, and the labels are numbers.
    """
    names: NDArray[Any] = np.array(hierarchy.names)
    if not _are_numbers(labels):
        return names
    if given:
        raise _numbered()
    found: NDArray[Any] = np.unique(labels.values)
    return found


def encode(labels: Labels, hierarchy: Hierarchy, classes: NDArray[Any]) -> Any:
    """The target, `(samples, n)` closed upward, -1 for unknown: an array or a sparse matrix.

    Raises:
        UnknownClassError: A label is not that of a class.
        ValueError: Labels are numbers where classes have names, or a matrix has other columns, or
            is not closed upward.
    """
    if labels.form in ("matrix", "sparse"):
        target = _aligned(labels, hierarchy)
        _check_closed(target, hierarchy)
        return target
    rows = labels.values
    if labels.form == "one":
        if _are_numbers(labels) and classes.dtype.kind == "U":
            raise _numbered()
        names = dict(zip(classes.tolist(), hierarchy.names, strict=True))
        rows = [[names.get(label, str(label))] for label in labels.values.tolist()]
    coo = hierarchy.encode(rows, sparse=True)
    ones = np.ones(coo.values().shape, dtype=np.int8)
    return sparse.csr_array((ones, tuple(coo.indices().numpy())), shape=tuple(coo.shape))


def decode(
    form: Form, p: NDArray[Any], hierarchy: Hierarchy, classes: NDArray[Any], threshold: float
) -> Any:
    """What coherent probabilities say, in the form of the labels."""
    if form == "one":
        return classes[descend(p, hierarchy, threshold)]
    positive = p >= threshold
    if form == "matrix":
        return positive.astype(int)
    if form == "sparse":
        return sparse.csr_array(positive, dtype=int)
    sets = np.empty(len(p), dtype=object)
    sets[:] = hierarchy.decode(torch.from_numpy(positive))
    return sets


def descend(p: NDArray[Any], hierarchy: Hierarchy, threshold: float) -> NDArray[np.int64]:
    """One column for each sample: from the likeliest root to likeliest children above a threshold.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c", "d"], names=["a", "d", "a/b", "a/c"])
        >>> descend(np.array([[0.9, 0.8, 0.3, 0.6], [0.3, 0.4, 0.2, 0.2]]), h, 0.5)
        array([3, 1])
    """
    found = np.full(len(p), -1)
    todo = [(np.arange(len(p)), np.array([hierarchy.index(x) for x in hierarchy.roots]))]
    while todo:
        rows, columns = todo.pop()
        best = columns[p[np.ix_(rows, columns)].argmax(1)]
        down = (p[rows, best] >= threshold) | (found[rows] < 0)
        rows, best = rows[down], best[down]
        found[rows] = best
        for node in np.unique(best).tolist():
            if children := hierarchy.children(node):
                todo.append((rows[best == node], np.array(children)))
    return found


def dense(block: Any) -> Tensor:
    """Rows of an array or of a sparse matrix, as a tensor of their own."""
    return torch.tensor(block.toarray() if sparse.issparse(block) else block)


def _are_numbers(labels: Labels) -> bool:
    one = labels.form == "one"
    return one and not any(isinstance(x, str) for x in labels.values.tolist())


def _numbered() -> ValueError:
    return ValueError(
        "expected names of classes, got numbers, which some tools of scikit-learn give to classes "
        "in an order of their own: pass hierarchy.encode([[name] for name in y]).numpy() to "
        "cross_val_predict, and no hierarchy to voting, bagging and stacking; if the numbers are "
        "columns of the hierarchy, np.array(hierarchy.names)[y]"
    )


def _are_sets(y: Any) -> bool:
    if not hasattr(y, "__iter__") or getattr(y, "ndim", 1) != 1 or isinstance(y, str):
        return False
    rows = [row for row in y if isinstance(row, COLLECTIONS)]
    if any(isinstance(row, (set, frozenset)) for row in rows):
        return True
    return bool(rows) and (
        len({len(row) for row in rows}) > 1
        or not any(len(row) for row in rows)
        or any(isinstance(x, str) for row in rows for x in row)
    )


def _set(i: int, row: Any) -> list[str]:
    """The names of a sample."""
    if not isinstance(row, COLLECTIONS):
        form = f"[{row!r}] for one class" if isinstance(row, str) else "[] for none"
        raise TypeError(
            f"expected a collection of names for each sample, got {row!r} for sample {i}; write "
            f"{form}"
        )
    wrong = [x for x in row if not isinstance(x, str)]
    if wrong:
        raise TypeError(f"expected names that are strings, got {wrong[0]!r} for sample {i}")
    return list(row)


def _of_paths(paths: Any, sep: str, names: Any = None) -> Hierarchy:
    hierarchy = Hierarchy.from_paths(paths, sep, names)
    if len(hierarchy) > 1 and not hierarchy.edges:
        warnings.warn(
            f"expected paths with the separator {sep!r}, got none such as {hierarchy.names[0]!r}: "
            "no class has a parent; pass sep=, or hierarchy=",
            stacklevel=6,
        )
    return hierarchy


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "OUS":
        return values
    if any(isinstance(x, str) for x in values.flat):
        raise ValueError(
            "expected labels of 0 and 1 in a matrix, got strings; a table with a column for each "
            "level is written as paths, ['/'.join(filter(None, row)) for row in y], and sets of "
            "names are lists of lists"
        )
    return values.astype(float)


def _marks(values: Any) -> Any:
    """0, 1 and -1 of a matrix, which may have NaN for the last."""
    known = values.data if sparse.issparse(values) else values
    unknown = np.isnan(known) if known.dtype.kind == "f" else known == -1
    wrong = ~(unknown | (known == 0) | (known == 1) | (known == -1))
    if wrong.any():
        raise ValueError(
            f"expected labels of 0 and 1 in a matrix, -1 or NaN for unknown, got {known[wrong][0]}"
        )
    marks = np.where(unknown, 0, known).astype(np.int8)
    marks[unknown] = -1
    if not sparse.issparse(values):
        return marks
    return sparse.csr_array((marks, values.indices, values.indptr), shape=values.shape)


def _column_names(y: Any) -> tuple[str, ...] | None:
    names = tuple(getattr(y, "columns", ()))
    return names if names and all(isinstance(name, str) for name in names) else None


def _aligned(labels: Labels, hierarchy: Hierarchy) -> Any:
    """The matrix, whose columns have to be in the order of the classes."""
    n = len(hierarchy)
    if labels.values.shape[1] != n:
        raise ValueError(
            f"expected y of shape (samples, {n}), a column for each class, "
            f"got {labels.values.shape}"
        )
    columns = [hierarchy.index(name) for name in labels.names or hierarchy.names]
    if columns == list(range(n)):
        return labels.values
    if len(set(columns)) < n:
        raise ValueError("expected a column for each class, got one of them twice")
    raise ValueError(
        "expected the columns of y in the order of the classes, as predictions will have them, got "
        "another; pass y[list(hierarchy.names)]"
    )


def _check_closed(target: Any, hierarchy: Hierarchy) -> None:
    for start in range(0, target.shape[0], BLOCK):
        block = dense(target[start : start + BLOCK])
        wrong = ((hierarchy.close(block) == 1) & (block == 0)).nonzero().tolist()
        if wrong:
            row, column = wrong[0]
            raise ValueError(
                f"expected y that is closed upward, got {hierarchy.names[column]!r} = 0 in row "
                f"{start + row}, where a class below it is 1; "
                "hierarchy.close(torch.as_tensor(y)).numpy() sets the ancestors of an array"
            )
