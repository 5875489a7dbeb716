"""What the library is to reach, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hierloss.bench.growth import exponents
from hierloss.bench.results import Entry, Results
from hierloss.bench.rows import DENSE, HMC_TORCH

Value = Callable[[Results], float | None]


class Goal(NamedTuple):
    """Something to reach.

    Attributes:
        what: What is measured.
        value: The measured value, None where something for it is missing.
        bar: What it has to be, at the most or at the least.
        aim: What it ought to be.
        at_least: Whether more is better.
        unit: The unit, as it is printed.
    """

    what: str
    value: Value
    bar: float
    aim: float | None = None
    at_least: bool = False
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.bar if self.at_least else value <= self.bar


def goals(results: Results) -> list[Goal]:
    """The goals for the device of the results."""
    if results.machine["device"] == "cuda":
        return [
            Goal("HybridLoss / BCE, Gene Ontology × 64", _times_bce("go", 64), 3, 1.5),
            Goal("HybridLoss / BCE, Gene Ontology × 1024", _times_bce("go", 1024), 1.5, 1.1),
        ]
    start = "first step of a batch of 64"
    return [
        Goal("HybridLoss / BCE, Gene Ontology × 64", _times_bce("go", 64), 2, 1.25),
        Goal("HybridLoss / BCE, Gene Ontology × 512", _times_bce("go", 512), 2, 1.1),
        Goal("its memory / logits, Gene Ontology × 64", _memory("go", 64), 4, 2),
        Goal("dense C-HMCNN / HybridLoss, 4,126 × 4", _dense("yeast", 4), 300, 1000, True),
        Goal("HybridLoss / BCE, 499 × 4", _times_bce("funcat", 4), 10, 5),
        Goal("hmc-torch / MCM, forward, Gene Ontology × 64", _reconciler("go", 64), 20, 50, True),
        Goal("exponent of time over edges × batch", _exponent, 1.15, 1.05),
        Goal("import hierloss", _start("import hierloss, torch being imported"), 0.1, unit=" s"),
        Goal("Hierarchy.from_obo beyond obonet's read", _reading, 1, unit=" s"),
        Goal("Hierarchy.load", _start("Hierarchy.load"), 0.3, unit=" s"),
        Goal("first step of HybridLoss", _start(start), 0.5, unit=" s"),
    ]


def fastest(results: Results, case: str, samples: int) -> Entry | None:
    """HybridLoss by its fastest backend."""
    found = [
        (e.step.ratio, i, e)
        for i, e in enumerate(results.losses)
        if (e.case, e.samples) == (case, samples) and e.row.startswith("HybridLoss") and e.step
    ]
    return min(found)[2] if found else None


def _times_bce(case: str, samples: int) -> Value:
    def value(results: Results) -> float | None:
        entry = fastest(results, case, samples)
        return entry.step.ratio if entry and entry.step else None

    return value


def _memory(case: str, samples: int) -> Value:
    def value(results: Results) -> float | None:
        entry = fastest(results, case, samples)
        return entry.memory / entry.logits if entry and entry.memory is not None else None

    return value


def _dense(case: str, samples: int) -> Value:
    def value(results: Results) -> float | None:
        ours, dense = fastest(results, case, samples), results.entry(case, samples, DENSE)
        if not (ours and ours.step and dense and dense.step):
            return None
        return dense.step.seconds / ours.step.seconds

    return value


def _reconciler(case: str, samples: int) -> Value:
    def value(results: Results) -> float | None:
        ours, other = (results.entry(case, samples, row) for row in ("MCM", HMC_TORCH))
        if not (ours and ours.forward and other and other.forward):
            return None
        return other.forward.seconds / ours.forward.seconds

    return value


def _exponent(results: Results) -> float | None:
    return exponents(results.growth).get("classes")


def _start(what: str) -> Value:
    return lambda results: next((f.seconds for f in results.startup if f.what == what), None)


def _reading(results: Results) -> float | None:
    ours, alone = (_start(what)(results) for what in ("Hierarchy.from_obo", "obonet.read_obo"))
    return None if ours is None or alone is None else ours - alone
