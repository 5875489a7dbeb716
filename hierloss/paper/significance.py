"""What the paper says of Table II: which systems differ, by its numbers and by ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierloss.paper.collected import Run, complete, partly_from
from hierloss.paper.grids import Grid
from hierloss.paper.printed import TABLE2, printed
from hierloss.paper.statistics import Friedman, average_ranks, critical_difference, friedman

__all__ = ["Summary", "significance", "summarize"]

NOTES = (
    "Ours: over the data sets on which all systems have run.",
    "Friedman: no choice of columns of Table II, over all 20 data sets or the 16 that have all, "
    "gives the printed p.",
    "HLSTM against another: by how much the average rank of the other is worse. The text says "
    "that HLSTM is better than all with significance; by its own critical difference that holds "
    "for three of six.",
)


class Summary(NamedTuple):
    """How systems rank over data sets.

    Attributes:
        datasets: The number of data sets.
        ranks: The average ranks; empty without data sets.
        difference: The critical difference; NaN without data sets.
        test: The test of Friedman; of NaN with fewer than two data sets.
    """

    datasets: int
    ranks: NDArray[np.float64]
    difference: float
    test: Friedman


def summarize(scores: NDArray[np.float64]) -> Summary:
    """Rank systems over data sets.

    Args:
        scores: `(datasets, systems)`. A missing score, NaN, is the worst.

    Example:
        >>> import numpy as np
        >>> summarize(np.array([[0.3, 0.2, 0.1], [0.5, 0.3, 0.4]])).ranks
        array([1. , 2.5, 2.5])
    """
    n, k = scores.shape
    unknown = Friedman(np.nan, np.nan, np.nan, np.nan)
    if not n:
        return Summary(0, np.array([]), np.nan, unknown)
    test = friedman(scores) if n > 1 else unknown
    return Summary(n, average_ranks(scores), critical_difference(k, n), test)


def significance(runs: Sequence[Run]) -> Grid:
    """The tests that the paper reports of Table II, from its numbers and from ours."""
    datasets, scores = complete(runs, TABLE2)
    paper, ours = summarize(printed().scores), summarize(scores)
    stated = {
        "data sets": "20",
        "Friedman, p": "2.76e-12",
        "critical difference": "2.01",
        **{f"HLSTM against {system}": "significant" for system in TABLE2[:-1]},
    }
    columns = stated, _cells(paper), _cells(ours)
    rows = tuple((key, *(column.get(key, "—") for column in columns)) for key in columns[1])
    header = ("statistic", "paper", "from its numbers", "ours")
    rebuilt = partly_from(run for run in runs if run.dataset in datasets and not run.variant)
    records = [[cell.replace("—", "") for cell in row] for row in rows]
    return Grid(
        name="table2-statistics",
        title="Which systems differ on Table II",
        header=header,
        rows=rows,
        marked=frozenset(),
        notes=(*NOTES, rebuilt) if rebuilt else NOTES,
        records=tuple(dict(zip(header, row, strict=True)) for row in records),
    )


def _cells(found: Summary) -> dict[str, str]:
    """The statistics by name; a dash where there is none."""
    test = found.test
    numbers = {
        "Friedman, chi2": f"{test.chi2:.2f}",
        "Friedman, p": f"{test.p:.2e}",
        "Iman-Davenport, F": f"{test.f:.2f}",
        "Iman-Davenport, p": f"{test.p_f:.2e}",
        "critical difference": f"{found.difference:.3f}",
    }
    known = {key: value for key, value in numbers.items() if value != "nan"}
    return {"data sets": str(found.datasets), **dict.fromkeys(numbers, "—"), **known} | {
        f"HLSTM against {system}": verdict for system, verdict in _verdicts(found)
    }


def _verdicts(found: Summary) -> Iterator[tuple[str, str]]:
    """How much worse than HLSTM each other system ranks, and whether that is significant."""
    for system, rank in zip(TABLE2[:-1], found.ranks, strict=False):
        worse = rank - found.ranks[-1]
        apart = "significant" if abs(worse) > found.difference else "not significant"
        yield system, f"{worse:+.3f}, {apart}"
