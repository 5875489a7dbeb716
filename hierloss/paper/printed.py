"""The numbers that the paper prints."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierloss.paper.registry import table

__all__ = ["Printed", "printed"]

TABLE2 = ("CHMCNN", "HMCN-R", "HMCN-F", "HMC-LMLP", "CLUS-ENS", "HMCN-CHMC", "HLSTM")


class Printed(NamedTuple):
    """A table of printed AU(PRC).

    Attributes:
        datasets: The names of the rows.
        systems: The names of the columns.
        scores: `(datasets, systems)`; NaN where the paper has none.
    """

    datasets: tuple[str, ...]
    systems: tuple[str, ...]
    scores: NDArray[np.float64]


def printed(systems: tuple[str, ...] = TABLE2) -> Printed:
    """What the paper prints for some systems on its 20 data sets.

    Args:
        systems: By default those of Table II; Tables III to V compare "HLSTM" and "CHMC-LSTM".

    Example:
        >>> datasets, systems, scores = printed()
        >>> scores.shape
        (20, 7)
        >>> datasets[0], systems[-1], scores[0, -1].item()
        ('cellcycle_FUN', 'HLSTM', 0.267)
    """
    found = table("printed")
    unknown = [name for name in systems if name not in found[0]]
    if unknown:
        raise ValueError(f"expected systems of {list(found[0])[1:]}, got {unknown[0]!r}")
    scores = [[float(row[name].replace("?", "nan")) for name in systems] for row in found]
    return Printed(tuple(row["name"] for row in found), tuple(systems), np.array(scores))
