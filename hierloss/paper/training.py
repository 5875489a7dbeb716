"""One run of the paper: a system, a data set and a seed; its settings, training and scores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from torch import Tensor

from hierloss.metrics import average_precision, interpolated_auprc, violation_rate
from hierloss.models import SYSTEMS, ClusEns
from hierloss.paper._local import Local, local_outputs
from hierloss.paper.datasets import Dataset, Rows, load
from hierloss.paper.results import rounded, versions, write
from hierloss.paper.systems import GRIDS, NAMES, STUDIES, published
from hierloss.training import Epoch, Settings, Training, probabilities, seeded

__all__ = ["Plan", "Task", "run"]

Progress = Callable[[str, float, float], object]
Json = dict[str, Any]

#: What is kept of a point of the grid beside its settings.
_OF_A_CHOICE = frozenset({"most", "patience", "auprc", "seconds", "curve"})


class Task(NamedTuple):
    """A system or a study of `hierloss.paper.systems`, a data set of the registry and a seed."""

    system: str
    dataset: str
    seed: int

    def __str__(self) -> str:
        return f"{self.system}/{self.dataset}.{self.seed}"

    @property
    def base(self) -> str:
        """The system, or that of the study."""
        return STUDIES[self.system].system if self.system in STUDIES else self.system

    def result(self, folder: Path) -> Path:
        """The file of the result."""
        return folder / self.system / f"{self.dataset}.{self.seed}.json"


class Plan(NamedTuple):
    """What all runs share.

    Attributes:
        results: The folder of the results, and of the options of a choice that have been tried.
        states: The folder of what is needed to go on with a training.
        most: Epochs after which a choice stops in any case.
        patience: Epochs without a better AU(PRC) after which a choice stops.
        patience_on_dag: The same where the classes are a DAG: on GO networks come to a plateau near
            the class frequencies, and may leave it after some 30 epochs.
        study: Epochs of a study.
        every: Seconds between two writes of a state.
        device: Where networks are trained.
    """

    results: Path
    states: Path
    most: int = 200
    patience: int = 20
    patience_on_dag: int = 50
    study: int = 100
    every: float = 60.0
    device: str = "cpu"


class _Fitted(NamedTuple):
    """What a training came to."""

    curve: list[Json]
    best: tuple[Epoch, ...]
    scores: Tensor
    parameters: int
    local: Local | None = None


def run(task: Task, plan: Plan, progress: Progress | None = None) -> Path:
    """Carry out a run, unless its result is there, and return the file of the result.

    What the paper leaves open is chosen on the validation rows, once for all seeds, with seed 0.
    The system is then trained on the rows for training and validation, and judged on those for
    testing after the last epoch. A study is trained on the rows for training alone, and judged on
    those for validation after each epoch. A run that was stopped goes on where it was.

    Args:
        task: What to run.
        plan: What all runs share.
        progress: Called with what is being done, how much of it is, and how much it is.

    Raises:
        ValueError: There is no such system or data set, or a file is damaged.
        OSError: A file is not at hand and cannot be downloaded.
    """
    known = (*NAMES, *STUDIES)
    if task.system not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {task.system!r}")
    path = task.result(plan.results)
    if not path.exists():
        data = load(task.dataset)
        runner = _Runner(task, plan, data, progress or (lambda *_: None))
        write(path, runner.result())
        runner.tidy()
    return path


class _Runner:
    def __init__(self, task: Task, plan: Plan, data: Dataset, progress: Progress) -> None:
        self.task, self.plan, self.data, self.progress = task, plan, data, progress
        self.classes = data.weight > 0

    def result(self) -> Json:
        settings, how = self._settings()
        study = STUDIES.get(self.task.system)
        if study is not None:
            settings = {**settings, **study.options, "epochs": self.plan.study}
        train, other = self.data.final() if study is None else self.data.selection()
        state = self.plan.states / f"{self.task}.safetensors"
        started = time.perf_counter()
        seed, valid = self.task.seed, study is not None
        fitted = self._fit("training", settings, seed, train, other, state, valid=valid)
        seconds = [epoch["seconds"] for epoch in fitted.curve]
        spent = sum(seconds) if seconds else time.perf_counter() - started
        result = {
            "system": self.task.base,
            "dataset": self.task.dataset,
            "seed": self.task.seed,
            "settings": settings,
            **how,
            "judged_on": "test" if study is None else "validation",
            "auprc": average_precision(fitted.scores, other.target, self.classes),
            "auprc_clus": interpolated_auprc(fitted.scores, other.target, self.classes),
            "violation_rate": violation_rate(fitted.scores, self.data.hierarchy, self.classes),
            **self._of_local(fitted.local, other.target),
            "rebuilt": list(self.data.rebuilt),
            "seconds": spent + sum(tried["seconds"] for tried in how["grid"]),
            "seconds_per_epoch": median(seconds) if seconds else None,
            "parameters": fitted.parameters,
            "versions": versions(self._device()),
            "curve": fitted.curve,
        }
        state.unlink(missing_ok=True)
        return result

    def tidy(self) -> None:
        """Take away the options of the choice, which are in the result with seed 0 now."""
        tried = [path for i in range(len(self._grid())) if (path := self._tried(i)).exists()]
        if tried and self._first().exists():
            with self._alone():
                for path in tried:
                    path.unlink(missing_ok=True)

    def _first(self) -> Path:
        """The result with seed 0, whose choice is that of all seeds and studies."""
        return Task(self.task.base, self.task.dataset, 0).result(self.plan.results)

    def _tried(self, i: int) -> Path:
        return self.plan.results / self.task.base / f"{self.task.dataset}.choice{i}.json"

    def _of_local(self, local: Local | None, target: Tensor) -> Json:
        """How good the local outputs are by themselves, and how many units are dead."""
        if local is None:
            return {}
        auprc = average_precision(local.scores, target, self.classes)
        return {"auprc_local": auprc, "dead_local_units": local.dead}

    def _settings(self) -> tuple[Json, Json]:
        """The settings, and how they were come by."""
        fixed: Json = {"batch": 4, "lr": 1e-4, "weight_decay": 1e-5}
        if self.task.base == "CLUS-ENS":
            fixed = {"trees": 50}
        if self.task.base == "CHMCNN":
            return {**fixed, **published(self.task.dataset)}, {"chosen_on": "published", "grid": []}
        with self._alone():
            if self._first().exists():
                first = json.loads(self._first().read_text(encoding="utf-8"))
                return first["settings"], {key: first[key] for key in ("chosen_on", "grid")}
            grid = [self._try(i, {**option, **fixed}) for i, option in enumerate(self._grid())]
        best = max(grid, key=lambda tried: tried["auprc"])
        kept = {key: best[key] for key in best if key not in _OF_A_CHOICE}
        return kept, {"chosen_on": "validation", "grid": grid}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait while another run, of another seed or study, makes the same choice."""
        lock = FileLock(self.plan.states / self.task.base / f"{self.task.dataset}.choice.lock")
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                self.progress("waits for the choice of another run", 0, 1)
        try:
            yield
        finally:
            lock.release()

    def _limits(self) -> dict[str, int]:
        """After how many epochs a choice stops, where a system has epochs."""
        if self.task.base == "CLUS-ENS":
            return {}
        dag = self.data.entry.facts.taxonomy == "DAG"
        patience = self.plan.patience_on_dag if dag else self.plan.patience
        return {"most": self.plan.most, "patience": patience}

    def _device(self) -> str:
        """Where the system is trained."""
        return "cpu" if self.task.base == "CLUS-ENS" else self.plan.device

    def _grid(self) -> Sequence[Mapping[str, Any]]:
        return GRIDS[self.task.base]

    def _try(self, i: int, settings: Json) -> Json:
        """One point of the grid, trained and judged on the rows for a choice."""
        path = self._tried(i)
        limits = self._limits()
        asked = {**settings, **limits}
        if path.exists():
            tried: Json = json.loads(path.read_text(encoding="utf-8"))
            if json.loads(json.dumps(rounded(asked))).items() <= tried.items():
                return tried  # else it is of another plan or grid
        train, valid = self.data.selection()
        state = self.plan.states / self.task.base / f"{self.task.dataset}.choice{i}.safetensors"
        started = time.perf_counter()
        phase = f"choice {i + 1} of {len(self._grid())}"
        fitted = self._fit(phase, settings, 0, train, valid, state, valid=True, **limits)
        epochs = [epoch.epoch for epoch in fitted.best]
        chosen = {"epochs": epochs if len(epochs) > 1 else epochs[0]} if epochs else {}
        spent = sum(epoch["seconds"] for epoch in fitted.curve)
        tried = {
            **asked,
            **chosen,
            "auprc": average_precision(fitted.scores, valid.target, self.classes),
            "seconds": spent or time.perf_counter() - started,
            "curve": [epoch["auprc"] for epoch in fitted.curve],
        }
        write(path, tried)
        state.unlink(missing_ok=True)
        found: Json = json.loads(path.read_text(encoding="utf-8"))  # as after an interruption
        return found

    def _fit(
        self,
        phase: str,
        settings: Json,
        seed: int,
        train: Rows,
        other: Rows,
        state: Path,
        *,
        valid: bool = False,
        most: int | None = None,
        patience: int | None = None,
    ) -> _Fitted:
        """Train, and score other rows, after each epoch too where they are for validation."""
        if self.task.base == "CLUS-ENS":
            return self._grow(phase, settings, seed, train, other)
        how = {key: settings[key] for key in ("batch", "lr", "weight_decay")}
        options = {key: settings[key] for key in settings if key not in (*how, "epochs")}
        epochs = most or settings["epochs"]
        how["epochs"] = tuple(epochs) if isinstance(epochs, list) else epochs
        device = self._device()
        with seeded(seed):
            model = SYSTEMS[self.task.base](
                self.data.hierarchy, train.features.shape[1], weight=self.data.weight, **options
            ).to(device)
        training = Training(
            model,
            train.to(device),
            Settings(**how, seed=seed, patience=patience),
            valid=other.to(device) if valid else None,
            classes=self.classes,
            state=state,
            every=self.plan.every,
            progress=lambda step, steps: self.progress(phase, done + step / steps, total),
        )
        done = len(training.history)
        total = sum(training.settings.of_stage(stage) for stage in range(model.stages))
        for _ in training.epochs():
            done = len(training.history)
        model.cpu()
        return _Fitted(
            curve=[_point(i, epoch) for i, epoch in enumerate(training.history, 1)],
            best=tuple(training.best_epoch(stage) for stage in range(model.stages)),
            scores=probabilities(model, other.features),
            parameters=sum(p.numel() for p in model.parameters()),
            local=local_outputs(model, other.features),
        )

    def _grow(self, phase: str, settings: Json, seed: int, train: Rows, other: Rows) -> _Fitted:
        trees = ClusEns(self.data.hierarchy, seed=seed, weight=self.data.weight, **settings)
        trees.fit(*train, progress=lambda done, total: self.progress(phase, done, total))
        return _Fitted([], (), trees.predict(other.features), 0)


def _point(number: int, epoch: Epoch) -> Json:
    point: Json = {"epoch": number, "loss": epoch.loss, "seconds": round(epoch.seconds, 2)}
    return point if epoch.auprc is None else {**point, "auprc": epoch.auprc}
