"""How long something takes beside something else, in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

Run = Callable[[], object]


@dataclass(frozen=True)
class Effort:
    """How long to measure: for so many seconds, but within so many rounds."""

    seconds: float
    least: int
    most: int


THOROUGH = Effort(seconds=3.0, least=5, most=500)
QUICK = Effort(seconds=0.02, least=2, most=5)


@dataclass(frozen=True)
class Timing:
    """What was measured in several rounds, each a run and a run of plain BCE.

    Attributes:
        seconds: The median of the runs.
        bce: The median of those of plain BCE.
        ratio: The median of the ratios of the rounds.
        low: Their first quartile.
        high: Their third quartile.
        rounds: How many.
    """

    seconds: float
    bce: float
    ratio: float
    low: float
    high: float
    rounds: int


def seconds(run: Run, device: torch.device) -> float:
    """How long one run takes."""
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def paired(run: Run, plain: Run, effort: Effort, device: torch.device) -> Timing:
    """Time two things in turn, after a first round, or a few, that does not count."""

    def rounds(count: int) -> list[tuple[float, float]]:
        return [(seconds(run, device), seconds(plain, device)) for _ in range(count)]

    trial = sum(rounds(1)[0])
    if trial < effort.seconds:
        trial = min(sum(pair) for pair in rounds(3))
    count = min(max(int(effort.seconds / trial), effort.least), effort.most)
    pairs = rounds(count)
    ratios = [a / b for a, b in pairs]
    low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
    own, bce = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Timing(own, bce, ratio, low, high, count)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
