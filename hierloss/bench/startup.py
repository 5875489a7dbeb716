"""What is done once: importing, reading the hierarchy, the first call of a loss."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from hierloss.bench.cases import Case, has_file
from hierloss.bench.memory import fresh
from hierloss.bench.timing import seconds
from hierloss.hierarchy import Hierarchy

CPU = torch.device("cpu")

IMPORT = """
import time, torch
start = time.perf_counter()
import hierloss
print(time.perf_counter() - start)
"""

FIRST = """
import json, sys, time, torch
from hierloss import Hierarchy, HybridLoss
from hierloss.bench.cases import batch
device = torch.device(sys.argv[2])
h = Hierarchy.load(sys.argv[1])
logits, target = batch(h, 64, device)
(logits.sigmoid() * target).sum().backward()
times = [time.perf_counter()]
loss = HybridLoss(h).to(device)
times.append(time.perf_counter())
for _ in range(2):
    logits.grad = None
    loss(logits, target).backward()
    float(logits.grad[0, 0])
    times.append(time.perf_counter())
print(json.dumps([b - a for a, b in zip(times, times[1:])]))
"""


@dataclass(frozen=True)
class Fact:
    """How long something takes that is done once.

    Attributes:
        what: What.
        seconds: The median of several times.
    """

    what: str
    seconds: float


def measure(
    case: Case, h: Hierarchy, saved: Path, data: Path, device: torch.device, quick: bool
) -> list[Fact]:
    """All of it, for the hierarchy of a case."""
    times = 1 if quick else 5
    facts = [
        *_median("import hierloss, torch being imported", times, lambda: fresh(IMPORT)),
        *(_reading(data / case.file, 1 if quick else 3) if has_file(case, data) else []),
        *_median("Hierarchy.from_edges", times, lambda: _time(lambda: _rebuilt(h))),
        *_median("Hierarchy.load", times, lambda: _time(lambda: Hierarchy.load(saved))),
    ]
    fresh(FIRST, str(saved), str(device))  # so that what is compiled is there
    first = [fresh(FIRST, str(saved), str(device)) for _ in range(times)]
    names = ("HybridLoss(hierarchy)", "first step of a batch of 64", "second step")
    columns = zip(*(found for found in first if found), strict=True)
    return facts + [Fact(n, statistics.median(c)) for n, c in zip(names, columns, strict=False)]


def _reading(path: Path, times: int) -> list[Fact]:
    """Reading an ontology, beside obonet's own read of it, in turn."""
    if ".obo" not in path.suffixes:
        return []
    import obonet

    pairs = [
        (_time(lambda: obonet.read_obo(path)), _time(lambda: Hierarchy.from_obo(path)))
        for _ in range(times)
    ]
    alone, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    return [Fact("obonet.read_obo", alone), Fact("Hierarchy.from_obo", ours)]


def _median(what: str, times: int, measured: Callable[[], float | None]) -> list[Fact]:
    found = [time for time in (measured() for _ in range(times)) if time is not None]
    return [Fact(what, statistics.median(found))] if found else []


def _time(run: Callable[[], object]) -> float:
    return seconds(run, CPU)


def _rebuilt(h: Hierarchy) -> Hierarchy:
    return Hierarchy.from_edges(h.edges, names=h.names)
