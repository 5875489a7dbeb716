"""The results of finished runs, collected from their JSON files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierloss.paper.registry import entries
from hierloss.paper.systems import NAMES

__all__ = ["Run", "complete", "mean_scores", "partly_from", "read_runs", "stand_ins"]


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        system: Its name in the paper.
        variant: What its folder has behind the system; empty for the system as the tables have it.
        dataset: The name of the data set.
        seed: Where randomness started.
        auprc: AU(PRC) of the trained system.
        curve: AU(PRC) by epoch, where the run recorded it.
        settings: The arguments of the system.
        rebuilt: The files that were stand-ins.
        judged_on: The rows of AU(PRC): "test", for all in the tables, or "validation".
    """

    system: str
    variant: str
    dataset: str
    seed: int
    auprc: float
    curve: Mapping[int, float] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    rebuilt: tuple[str, ...] = ()
    judged_on: str = "test"

    @property
    def balance(self) -> float:
        """The share of MCLoss."""
        return float(str(self.settings.get("balance", 0.5)))

    @property
    def initializer(self) -> str:
        """How the local weights start: "he", or with its value "constant 0.1"."""
        named = self.settings.get("initializer", "constant")
        value = self.settings.get("constant", 0.1)
        return f"constant {value}" if named == "constant" else str(named)

    @property
    def reduction(self) -> str:
        """Whether the losses of HLSTM and CHMC-LSTM are means over classes, or sums."""
        return str(self.settings.get("reduction", "mean"))

    @property
    def transition(self) -> str:
        """What leads to the local outputs of HLSTM."""
        return str(self.settings.get("transition", "relu"))


def read_runs(folder: Path) -> tuple[Run, ...]:
    """All runs of a folder, by system, data set and seed.

    They are the files ``SYSTEM/DATASET.SEED.json`` and, with settings other than those of the
    tables, ``SYSTEM-VARIANT/DATASET.SEED.json``. Other files are passed over.

    Args:
        folder: Where the runs are; without it there are none.

    Raises:
        ValueError: A file is not what a run writes, or is in the wrong place.
    """
    runs = [_read(path) for path in folder.glob("*/*.json") if _is_run(path)]
    return tuple(sorted(runs, key=lambda r: (r.system, r.variant, r.dataset, r.seed)))


def mean_scores(
    runs: Iterable[Run], datasets: Sequence[str], systems: Sequence[str]
) -> NDArray[np.float64]:
    """The AU(PRC) of systems as the tables have them, `(datasets, systems)`, as means over seeds.

    NaN stands where there is no run.

    Example:
        >>> runs = [Run("HLSTM", "", "Enron", seed, 0.7 + seed / 10) for seed in (0, 1)]
        >>> mean_scores(runs, ["Enron"], ["CHMCNN", "HLSTM"])
        array([[ nan, 0.75]])
    """
    found: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        if not run.variant:
            found.setdefault((run.dataset, run.system), []).append(run.auprc)
    rows = [[np.mean(found.get((d, s), [np.nan])) for s in systems] for d in datasets]
    return np.array(rows, dtype=np.float64)


def complete(
    runs: Iterable[Run], systems: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The data sets on which all systems have run, and their `mean_scores`.

    Example:
        >>> complete([Run("HLSTM", "", "Enron", 0, 0.7)], ["HLSTM"])
        (('Enron',), array([[0.7]]))
    """
    datasets = tuple(entries())
    scores = mean_scores(runs, datasets, systems)
    known = np.flatnonzero(~np.isnan(scores).any(axis=1))
    return tuple(datasets[i] for i in known), scores[known]


def stand_ins(runs: Iterable[Run]) -> str:
    """What the mark of results from stand-ins for files means; nothing where there are none."""
    return _said("†: from", runs)


def partly_from(runs: Iterable[Run]) -> str:
    """The same where results are not marked one by one."""
    return _said("In part from", runs)


def _said(lead: str, runs: Iterable[Run]) -> str:
    files = sorted({file for run in runs for file in run.rebuilt})
    return f"{lead} stand-ins for files of upstream: {', '.join(files)}." if files else ""


def _is_run(path: Path) -> bool:
    """Whether its folder begins with a system, and its name is that of a data set and a seed."""
    name = re.fullmatch(r"(.+)\.\d+\.json", path.name)
    return bool(name and name[1] in entries() and _system(path.parent.name))


def _system(folder: str) -> str | None:
    """The system of a folder: the longest name with which it begins."""
    found = [name for name in NAMES if folder == name or folder.startswith(f"{name}-")]
    return max(found, key=len, default=None)


def _read(path: Path) -> Run:
    try:
        run = _run(path.parent.name, json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected the result of a run, got {type(error).__name__}: {error}; "
            "remove the file and run again"
        ) from error
    if path.name != f"{run.dataset}.{run.seed}.json":
        raise ValueError(f"{path}: expected its own result, got {run.dataset}, seed {run.seed}")
    return run


def _run(folder: str, found: Mapping[str, Any]) -> Run:
    system = _system(folder) or ""
    curve = {i: epoch.get("auprc") for i, epoch in enumerate(found["curve"], 1)}
    if not 0 <= found["auprc"] <= 1:
        raise ValueError(f"AU(PRC) of {found['auprc']}")
    return Run(
        system=system,
        variant=folder[len(system) + 1 :],
        dataset=str(found["dataset"]),
        seed=int(found["seed"]),
        auprc=float(found["auprc"]),
        curve={i: float(x) for i, x in curve.items() if x is not None},
        settings=dict(found["settings"]),
        rebuilt=tuple(found["rebuilt"]),
        judged_on=str(found.get("judged_on", "test")),
    )
