"""How the time of HybridLoss grows with batch, classes and edges, on synthetic hierarchies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from hierloss.bench.cases import batch, synthetic
from hierloss.bench.rows import step, using
from hierloss.bench.timing import Effort, paired
from hierloss.hierarchy import Hierarchy
from hierloss.losses import HybridLoss

SERIES = ("classes", "batch", "edges")
GO = 43_789


@dataclass(frozen=True)
class Point:
    """The time of one size.

    Attributes:
        series: What grows: "classes", "batch" or "edges".
        classes: The classes of the hierarchy.
        edges: The edges of it.
        samples: The batch.
        seconds: Forward and backward.
        bce: The same of plain BCE.
    """

    series: str
    classes: int
    edges: int
    samples: int
    seconds: float
    bce: float

    @property
    def work(self) -> int:
        """Edges times samples."""
        return self.edges * self.samples


def sizes(quick: bool) -> list[tuple[str, int, int, int]]:
    """What is measured: the series, classes, edges for each class, batch."""
    all_sizes = [
        *(("classes", n, 2, 16) for n in (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)),
        *(("batch", GO, 2, samples) for samples in (16, 32, 64, 128, 256, 512)),
        *(("edges", GO, count, 64) for count in (1, 2, 4, 8)),
    ]
    return [(s, n, count, b) for s, n, count, b in all_sizes if not quick or n * count * b < 2e6]


def measure(
    series: str, classes: int, per_class: int, samples: int, effort: Effort, device: torch.device
) -> Point:
    """The time of one size, with the backend that is used by itself."""
    h = _hierarchy(classes, per_class)
    logits, target = batch(h, samples, device)
    loss, plain = HybridLoss(h).to(device), nn.BCEWithLogitsLoss()
    with using("auto"):
        time = paired(
            lambda: step(loss, logits, target), lambda: step(plain, logits, target), effort, device
        )
    return Point(series, classes, h.edge_index.shape[1], samples, time.seconds, time.bce)


def exponents(points: Iterable[Point]) -> dict[str, float]:
    """For each series, and for all together, the power of edges x batch that the time follows."""
    points = list(points)
    groups = {name: [p for p in points if p.series == name] for name in SERIES}
    groups["all"] = points
    return {
        name: exponent([p.work for p in group], [p.seconds for p in group])
        for name, group in groups.items()
        if len({p.work for p in group}) > 1
    }


def exponent(work: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of the line through the logarithms, by least squares."""
    slope, _ = np.polyfit(np.log(work), np.log(seconds), 1)
    return float(slope)


@lru_cache(maxsize=1)
def _hierarchy(classes: int, per_class: int) -> Hierarchy:
    return synthetic(classes, per_class * classes)
