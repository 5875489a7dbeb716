"""Files of CAFA, the critical assessment of function annotation: predictions and weights."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss import Hierarchy, HierarchyError
from hierloss._input import check_known, name_list
from hierloss._rows import blocks
from hierloss.topology import check_shape
from hierloss_adapters._annotation_target import OnUnknown, check_unknown
from hierloss_adapters._cafa_lines import best, check_scores, head, scored, words
from hierloss_adapters._cafa_rows import END, Columns, Lines, parsed
from hierloss_adapters._files import Source, at, stream_lines, writing

__all__ = ["Predictions", "read_accretion", "read_cafa", "write_accretion", "write_cafa"]


class Predictions(NamedTuple):
    """What a file of predictions says.

    Attributes:
        subjects: The subject of each row.
        scores: `(subjects, n)` probabilities in float32, 0 where the file says nothing.
        unknown: The terms that are no classes, with the number of their predictions.
        violations: How many pairs of a subject and an edge have a child above its parent.
        repeated: How many predictions name a subject and a class again; the highest score counts.
        elsewhere: How many predictions are of subjects that were not asked for.
        texts: How many lines describe a subject in words, as CAFA 6 allows.
        header: The lines before the predictions, by their first word.
    """

    subjects: tuple[str, ...]
    scores: Tensor
    unknown: Mapping[str, int]
    violations: int
    repeated: int
    elsewhere: int
    texts: int
    header: Mapping[str, str]


def write_cafa(
    path: Source,
    subjects: Sequence[str],
    scores: Tensor | NDArray[Any] | Iterable[Tensor | NDArray[Any]],
    hierarchy: Hierarchy,
    *,
    threshold: float = 0.0,
    limit: int | None = 1500,
    decimals: int | None = None,
    author: str | None = None,
    model: int = 1,
    keywords: Sequence[str] = (),
) -> None:
    r"""Write predictions as CAFA takes them: a subject, a term and a score on each line.

    A subject's lines come from the highest score down. Rounding, the threshold and the limit leave
    them coherent: of equal scores those of ancestors come first, and a score that is rounded to 0
    is left out, as a score of 0 is not allowed. The file appears once it is complete.

    Args:
        path: The file, compressed if it is called .gz, .bz2 or .xz.
        subjects: The name of each row, without blanks.
        scores: Coherent probabilities, or batches of them one after the other.
        hierarchy: The classes of the columns.
        threshold: The lowest score to write, from 0 to 1, rounded as the scores are.
        limit: The most lines of one subject, 1500 for CAFA; None for no limit.
        decimals: The digits after the point: by default 2 with a header, which CAFA 1 to 4 took,
            and 3 without one, for CAFA 5 and 6.
        author: The name of the team. With it the file has a header and ends with END.
        model: The number of the model, for the header.
        keywords: The methods that the model uses, for the header.

    Shape:
        `scores` is `(subjects, n)`.

    Raises:
        ValueError: Scores are no probabilities, or not coherent; ``MCM(hierarchy)(scores)`` is.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "predictions.tsv")
        ...     write_cafa(path, ["P1"], torch.tensor([[0.9, 0.51249, 0.0001]]), h)
        ...     path.read_text()
        'P1\ta\t0.900\nP1\ta/b\t0.512\n'
    """
    digits = (3 if author is None else 2) if decimals is None else decimals
    if digits < 1 or (limit is not None and limit < 1):
        raise ValueError(f"expected decimals and limit of at least 1, got {digits} and {limit}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"expected a threshold from 0 to 1, got {threshold}")
    names, classes = words(name_list(subjects), "a subject"), words(hierarchy.names, "a class")
    lowest = max(threshold, 0.4 * 10.0**-digits)
    with writing(path) as file:
        file.writelines(head(author, model, keywords))
        done = 0
        for row in _rows(scores, hierarchy, lowest):
            if done < len(names):
                columns = best(row, hierarchy, limit)
                found = scored(row, columns, digits)
                file.writelines(f"{names[done]}\t{classes[i]}\t{text}\n" for i, text in found)
            done += 1
        if done != len(names):
            raise ValueError(f"expected scores of {len(names)} subjects, got {done} rows")
        file.write("" if author is None else f"{END}\n")


def read_cafa(
    path: Source,
    hierarchy: Hierarchy,
    *,
    subjects: Sequence[str] | None = None,
    on_unknown: OnUnknown = "raise",
    sparse: bool = False,
    encoding: str = "utf-8",
) -> Predictions:
    r"""Read predictions of one model, with a header or without.

    The scores are those of the file, and 0 where it says nothing. CAFA then gives each class the
    highest score of its descendants, and so does ``MCM(hierarchy)(scores)``; `violations` says how
    far they are from that.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        hierarchy: The classes; predictions may name them by an alias.
        subjects: The subjects of the rows, in order. By default those of the file, which leaves out
            subjects without predictions.
        on_unknown: "raise" if a term is no class, or "drop" to leave out its predictions.
        sparse: Return sparse scores, which take memory for those that are not 0 only.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A line is malformed, as the message says.
        UnknownClassError: Terms are no classes, and `on_unknown` is "raise".

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "predictions.tsv")
        ...     _ = path.write_text("P1\ta\t0.4\nP1\ta/b\t0.5\n")
        ...     predictions = read_cafa(path, h)
        >>> predictions.scores, predictions.violations
        (tensor([[0.4000, 0.5000, 0.0000]]), 1)
    """
    if on_unknown not in ("raise", "drop"):
        raise ValueError(f"expected on_unknown 'raise' or 'drop', got {on_unknown!r}")
    rows = {} if subjects is None else {name: i for i, name in enumerate(name_list(subjects))}
    lines, column = Lines(path, encoding), Columns(hierarchy)
    places, scores, elsewhere = array("q"), array("d"), 0
    for subject, term, score in lines:
        if subjects is not None and subject not in rows:
            elsewhere += 1
        elif (found := column(term)) is not None:
            places.append(rows.setdefault(subject, len(rows)) * len(hierarchy) + found)
            scores.append(score)
        elif subjects is None:
            rows.setdefault(subject, len(rows))
    if on_unknown == "raise":
        check_unknown(column.unknown, "predictions")
    matrix = _matrix(places, scores, len(rows), hierarchy)
    return Predictions(
        subjects=tuple(rows),
        scores=matrix if sparse else matrix.to_dense(),
        unknown=dict(column.unknown.most_common()),
        violations=_violations(matrix, hierarchy),
        repeated=len(places) - matrix.values().numel(),
        elsewhere=elsewhere,
        texts=lines.texts,
        header=lines.header,
    )


def write_accretion(path: Source, accretion: Tensor, hierarchy: Hierarchy) -> None:
    r"""Write the information accretion of each class, on lines of a term and a number.

    Args:
        path: The file, compressed if it is called .gz, .bz2 or .xz.
        accretion: The numbers, see `hierloss.accretion.information_accretion`.
        hierarchy: The classes.

    Shape:
        `accretion` is `(n,)`.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> h = Hierarchy.from_paths(["a/b"])
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "IA.txt")
        ...     write_accretion(path, torch.tensor([0.0, 1.5]), h)
        ...     path.read_text()
        'a\t0.0\na/b\t1.5\n'
    """
    check_shape(accretion, "information accretion", torch.Size([len(hierarchy)]))
    values = accretion.detach().cpu().double()
    if not ((values >= 0) & values.isfinite()).all():
        raise ValueError("expected information accretion of at least 0, got less, NaN or infinity")
    names = words(hierarchy.names, "a class")
    with writing(path) as file:
        file.writelines(f"{k}\t{v!r}\n" for k, v in zip(names, values.tolist(), strict=True))


def read_accretion(
    path: Source,
    hierarchy: Hierarchy,
    *,
    default: float | None = None,
    encoding: str = "utf-8",
) -> Tensor:
    r"""Read the information accretion of each class, such as the ``IA.txt`` of CAFA 5 and 6.

    Terms that are no classes are left out. A class that is listed by an alias only has its number.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        hierarchy: The classes.
        default: The number of classes that the file does not list; without it they are an error.
        encoding: The encoding of the file.

    Shape:
        Output: `(n,)`, in float64.

    Raises:
        HierarchyError: A line is malformed, a term is listed twice, or a class is not listed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "IA.txt")
        ...     _ = path.write_text("a\t0.0\na/b\t1.5\n")
        ...     read_accretion(path, Hierarchy.from_paths(["a/b"]))
        tensor([0.0000, 1.5000], dtype=torch.float64)
    """
    listed: dict[str, float] = {}
    for number, line in stream_lines(path, encoding):
        cells = line.split()
        if cells:
            value = parsed(cells[1]) if len(cells) == 2 else math.nan
            if not 0 <= value < math.inf:
                problem = "expected a term and a number of at least 0"
                raise at(path, number, f"{problem}, got {line.strip()!r}")
            if cells[0] in listed:
                raise at(path, number, f"expected each term once, got {cells[0]!r} again")
            listed[cells[0]] = value
    return _of_classes(listed, hierarchy, default)


def _of_classes(listed: Mapping[str, float], h: Hierarchy, default: float | None) -> Tensor:
    values = {name: listed[name] for name in h if name in listed}
    for alias, name in h.aliases.items():
        known = name in listed or alias not in listed
        if not known and values.setdefault(name, listed[alias]) != listed[alias]:
            raise HierarchyError(
                f"expected one number for {name!r}, got several by its aliases; list it by its name"
            )
    if default is None:
        check_known(h, values, "pass default= for classes that are not listed; one is")
    return torch.tensor([values.get(name, default) for name in h], dtype=torch.float64) + 0.0


def _rows(
    scores: Tensor | NDArray[Any] | Iterable[Tensor | NDArray[Any]], h: Hierarchy, lowest: float
) -> Iterator[NDArray[np.float64]]:
    """The rows of scores, each checked, with 0 for what is below the lowest in their dtype."""
    for batch in [scores] if isinstance(scores, (Tensor, np.ndarray)) else scores:
        for _, block in blocks(torch.as_tensor(batch).detach(), "scores", h):
            check_scores(block, h)
            block = block.cpu()
            yield from (block * (block >= lowest)).double().numpy()


def _matrix(places: array[int], scores: array[float], rows: int, h: Hierarchy) -> Tensor:
    """Sparse scores, the highest where a place comes twice."""
    place, score = np.asarray(places), np.asarray(scores, dtype=np.float32)
    order = np.lexsort((score, place))
    last = order[np.flatnonzero(np.diff(place[order], append=-1))]
    index = np.stack(np.divmod(place[last], len(h)))
    return torch.sparse_coo_tensor(
        torch.from_numpy(index),
        torch.from_numpy(score[last]),
        (rows, len(h)),
        is_coalesced=True,
        check_invariants=True,
    )


def _violations(scores: Tensor, h: Hierarchy) -> int:
    return sum(int(h.violations(block).sum()) for _, block in blocks(scores, "scores", h))
