"""Which systems differ: ranks over data sets, the Friedman test and Nemenyi's after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "Friedman",
    "average_ranks",
    "cliques",
    "critical_difference",
    "friedman",
    "lift",
    "nemenyi",
    "ranks",
]

Floats = NDArray[np.float64]


class Friedman(NamedTuple):
    """Whether systems differ at all.

    Attributes:
        chi2: The statistic of Friedman, corrected for ties.
        p: Its p-value.
        f: The statistic of Iman and Davenport, which is less conservative.
        p_f: Its p-value.
    """

    chi2: float
    p: float
    f: float
    p_f: float


def ranks(scores: ArrayLike) -> Floats:
    """The rank of each system on each data set: 1 for the best, equal scores share their ranks.

    A missing score, NaN, is worse than all others.

    Args:
        scores: `(datasets, systems)`, higher is better.

    Example:
        >>> ranks([[0.3, 0.2, 0.3], [0.5, float("nan"), 0.4]])
        array([[1.5, 3. , 1.5],
               [1. , 3. , 2. ]])
    """
    table = _table(scores)
    ranked: Floats = _scipy().rankdata(-np.nan_to_num(table, nan=-np.inf), axis=1)
    return ranked


def average_ranks(scores: ArrayLike) -> Floats:
    """The mean of `ranks` over data sets, `(systems,)`."""
    mean: Floats = ranks(scores).mean(0)
    return mean


def friedman(scores: ArrayLike) -> Friedman:
    r"""The test of Friedman that all systems rank alike, and that of Iman and Davenport.

    .. math::
        \chi^2_F = \frac{12 N}{k (k + 1)} \Bigl[\sum_j R_j^2 - \frac{k (k + 1)^2}{4}\Bigr], \quad
        F_F = \frac{(N - 1) \chi^2_F}{N (k - 1) - \chi^2_F}

    for k systems of average ranks :math:`R_j` on N data sets; ties correct the first.

    Args:
        scores: `(datasets, systems)`, higher is better. A missing score, NaN, is the worst.

    Raises:
        ValueError: There are fewer than 3 systems or 2 data sets.

    Example:
        >>> test = friedman([[0.3, 0.2, 0.1], [0.5, 0.3, 0.4], [0.9, 0.5, 0.2]])
        >>> round(test.chi2, 3), round(test.p, 3)
        (4.667, 0.097)

    References:
        Demšar, Statistical comparisons of classifiers over multiple data sets, 2006,
        https://www.jmlr.org/papers/v7/demsar06a.html
    """
    table = ranks(scores)
    n, k = table.shape
    if k < 3 or n < 2:
        raise ValueError(f"expected at least 3 systems and 2 data sets, got {k} and {n}")
    if (table == table[:, :1]).all():  # all systems rank alike on each data set
        return Friedman(0.0, 1.0, 0.0, 1.0)
    stats = _scipy()
    chi2, p = (float(x) for x in stats.friedmanchisquare(*table.T))
    rest = n * (k - 1) - chi2
    f = (n - 1) * chi2 / rest if rest > 0 else float("inf")
    return Friedman(chi2, p, f, float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))))


def critical_difference(systems: int, datasets: int, alpha: float = 0.05) -> float:
    r"""How far apart average ranks have to be for Nemenyi's test to tell two systems apart.

    .. math:: \text{CD} = q_\alpha \sqrt{\frac{k (k + 1)}{6 N}}

    with :math:`q_\alpha` the quantile of the studentized range over :math:`\sqrt 2`.

    Example:
        >>> round(critical_difference(7, 20), 3)
        2.014
    """
    if systems < 2 or datasets < 1:
        raise ValueError(f"expected 2 systems and a data set or more, got {systems}, {datasets}")
    q = float(_scipy().studentized_range.ppf(1 - alpha, systems, np.inf)) / 2**0.5
    return q * float(np.sqrt(systems * (systems + 1) / (6 * datasets)))


def nemenyi(scores: ArrayLike) -> Floats:
    """The p-values of Nemenyi's test, `(systems, systems)`, of every pair of systems.

    Args:
        scores: `(datasets, systems)`, higher is better. A missing score, NaN, is the worst.

    Example:
        >>> nemenyi([[0.3, 0.2, 0.1], [0.5, 0.3, 0.4], [0.9, 0.5, 0.2]]).round(2)
        array([[1.  , 0.23, 0.1 ],
               [0.23, 1.  , 0.91],
               [0.1 , 0.91, 1.  ]])
    """
    n, k = _table(scores).shape
    mean = average_ranks(scores)
    apart = np.abs(mean[:, None] - mean) / np.sqrt(k * (k + 1) / (6 * n))
    p: Floats = _scipy().studentized_range.sf(apart * 2**0.5, k, np.inf)
    return np.minimum(p, 1.0)


def cliques(mean_ranks: ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """The largest groups of systems that no critical difference separates, best ranks first.

    They are the bars of a critical difference diagram.

    Example:
        >>> cliques([1.5, 2.5, 4.0, 4.2], 1.8)
        [(0, 1), (1, 2, 3)]
    """
    mean = np.asarray(mean_ranks, dtype=np.float64)
    order = np.argsort(mean, kind="stable")
    return [tuple(order[first:last].tolist()) for first, last in _runs(mean[order], difference)]


def lift(scores: ArrayLike, baseline: ArrayLike) -> Floats:
    """By how much of the baseline scores are above it, in percent: the paper's eq. 14.

    Example:
        >>> lift([0.3], [0.2]).round(1)
        array([50.])
    """
    base = np.asarray(baseline, dtype=np.float64)
    relative: Floats = (np.asarray(scores, dtype=np.float64) - base) / base * 100
    return relative


def _runs(ranked: Floats, difference: float) -> Iterator[tuple[int, int]]:
    """The longest runs of two or more within a difference."""
    reached = 0
    for first in range(len(ranked)):
        last = int(np.searchsorted(ranked, ranked[first] + difference, side="right"))
        if last > max(reached, first + 1):
            yield first, last
        reached = max(reached, last)


def _table(scores: ArrayLike) -> Floats:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"expected scores of (datasets, systems), got shape {table.shape}")
    return table


def _scipy() -> ModuleType:
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(
            'expected SciPy, got none; for statistics pip install "hierloss[paper]"'
        ) from error
    module: ModuleType = stats
    return module
