"""Training any model: deterministic, stopped at will, and resumed without loss."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from itertools import accumulate
from pathlib import Path
from threading import RLock
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from hierloss import _state
from hierloss._settings import Epoch, Settings
from hierloss._steps import Steps
from hierloss.metrics import average_precision
from hierloss.models.base import Model, evaluating

__all__ = ["Epoch", "Settings", "Training", "flushed", "probabilities", "seeded"]

Rows = tuple[Tensor, Tensor]
Progress = Callable[[int, int], object]

# Random numbers are those of the process: who seeds them has them alone.
_SEEDED = RLock()


class Training:
    """A training that can be stopped at any moment, and goes on as if it had not been.

    Every epoch begins with random numbers of its own, which follow from the seed. So the end of an
    epoch is known by the parameters, the state of the optimizer and what the epochs came to; that
    is what the file `state` holds. With validation rows a stage ends with the parameters of its
    best epoch, without them with those of its last. A training may go on with other epochs and
    another patience, and ends as one that had them from the start.

    Args:
        model: The model. Build it inside ``seeded(settings.seed)``.
        train: Features `(samples, d)` and the target `(samples, n)`, on the device of the model.
        settings: How to train.
        valid: Rows to judge each epoch by.
        classes: Which columns count in AU(PRC), `(n,)` bool; all by default. In a stage that
            trains only some of them, only those count.
        state: The file to go on from if it is there, and to write.
        every: Seconds between two writes.
        progress: Called with the steps done and those of the epoch.
        recorded: On a CUDA device, record a step as a CUDA graph after the first epoch of a stage,
            and replay it from then on: with small batches an epoch takes a fraction of the time.
            Python code of the model runs only while a step is recorded, nothing in it may wait for
            the device, and the memory of a step is kept.

    Raises:
        ValueError: The file is of another training, or of one that went on for longer than the
            settings say, or ended a stage that they do not end; the rows of features and of targets
            are not as many, there are epochs for other stages than the model has, or a tensor is
            sparse.
        RuntimeError: A step cannot be recorded.
        ImportError: A state is asked for, and safetensors is missing.

    Example:
        >>> from hierloss import Hierarchy
        >>> from hierloss.models import HLSTM
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> x, y = torch.randn(8, 5), h.encode([["a/b"]] * 4 + [["a"]] * 4)
        >>> with seeded(0):
        ...     model = HLSTM(h, 5, hidden=8)
        >>> training = Training(model, (x, y), Settings(epochs=3))
        >>> [epoch.epoch for epoch in training.epochs()]
        [1, 2, 3]
    """

    def __init__(
        self,
        model: Model,
        train: Rows,
        settings: Settings,
        *,
        valid: Rows | None = None,
        classes: Tensor | None = None,
        state: str | os.PathLike[str] | None = None,
        every: float = 60.0,
        progress: Progress | None = None,
        recorded: bool = True,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(
                f"expected a model of hierloss.models, got {type(model).__name__}; train others in "
                "a loop of your own"
            )
        if settings.patience is not None and valid is None:
            raise ValueError("expected validation rows beside patience, got none")
        for what, rows in (("train", train), ("valid", valid)):
            if rows is None:
                continue
            if any(x.layout is not torch.strided for x in rows):
                raise ValueError(
                    f"expected dense tensors in {what}, got a sparse one; write to_dense()"
                )
            if len(rows[0]) != len(rows[1]):
                raise ValueError(
                    f"expected as many rows of features as of targets in {what}, got "
                    f"{len(rows[0])} and {len(rows[1])}"
                )
        epochs = settings.epochs
        if isinstance(epochs, tuple) and len(epochs) != model.stages:
            raise ValueError(f"expected epochs for {model.stages} stages, got {epochs!r}")
        self.model, self.train, self.valid = model, train, valid
        self.settings, self.every = settings, every
        self.state = None if state is None else Path(state)
        self.classes, self.progress = classes, progress or (lambda *_: None)
        self.recorded = recorded and train[0].is_cuda
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self._written = time.monotonic()
        counted = () if classes is None else (classes,)
        self._name = _state.fingerprint(settings, model, *train, *(valid or ()), *counted)
        self._start(0)
        if self.state is not None and self.state.exists():
            self._resume(self.state)

    def epochs(self) -> Iterator[Epoch]:
        """Train, and yield after each epoch; epochs of the past are in `history`."""
        stage = self.history[-1].stage if self.history else 0
        while True:
            while not self._over(stage):
                yield self._step(stage)
            if stage + 1 == self.model.stages:
                return
            stage += 1
            self._start(stage)

    def best_epoch(self, stage: int = 0) -> Epoch:
        """The epoch of a stage with the highest AU(PRC), or its last where there is none.

        There is none without validation rows, nor where these have no class that the stage learns.

        Raises:
            ValueError: The stage has had no epoch yet.
        """
        past = self._past(stage)
        if not past:
            raise ValueError(f"expected a stage that has had an epoch, got {stage}")
        return reduce(_better, past)

    def _past(self, stage: int) -> list[Epoch]:
        return [epoch for epoch in self.history if epoch.stage == stage]

    def _over(self, stage: int) -> bool:
        return self._end(stage) is not None

    def _end(self, stage: int) -> int | None:
        """The epoch of the past that a stage ends with, if one does."""
        most, patience = self.settings.of_stage(stage), self.settings.patience or math.inf
        past = self._past(stage)
        for epoch, best in zip(past, accumulate(past, _better), strict=True):
            if epoch.epoch >= most or epoch.epoch - best.epoch >= patience:
                return epoch.epoch
        return None

    def _start(self, stage: int) -> None:
        self.model.start(stage)
        learning = [p for p in self.model.parameters() if p.requires_grad]
        how = self.settings
        self.optimizer = torch.optim.Adam(
            learning,
            lr=how.lr,
            weight_decay=how.weight_decay,
            fused=True,
            capturable=self.recorded,
        )
        self.steps = Steps(self.model, self.optimizer, self.train, recorded=self.recorded)

    def _step(self, stage: int) -> Epoch:
        number = len(self._past(stage)) + 1
        started = time.perf_counter()
        with seeded(self.settings.seed, stage, number), flushed():
            loss = self._pass()
        seconds = time.perf_counter() - started
        epoch = Epoch(stage, number, loss, seconds, self._judged())
        self.history.append(epoch)
        if self.valid is not None and number == 1 and not _is_number(epoch.auprc):
            warnings.warn(
                f"no class that stage {stage + 1} of {self.model.stages} learns is among the "
                "labels for validation: its last epoch is taken, and patience does not end it",
                stacklevel=3,
            )
        if self.valid is not None and self.best_epoch(stage) is epoch:
            self.best = {name: x.clone() for name, x in self.model.state_dict().items()}
        over = self._over(stage)
        if over or time.monotonic() - self._written >= self.every:
            self._write()
        if over:
            self._take_best()
        return epoch

    def _take_best(self) -> None:
        if self.best:
            self.model.load_state_dict(self.best)

    def _pass(self) -> float:
        """One pass over the rows, and its mean loss."""
        x, _ = self.train
        self.model.train()
        batches = torch.split(torch.randperm(len(x)).to(x.device), self.settings.batch)
        mean = self.steps.take(batches, self.progress) / max(len(x), 1)
        if not np.isfinite(mean):
            raise ValueError(f"expected a finite loss, got {mean}; lower lr, or check the features")
        return mean

    def _judged(self) -> float | None:
        if self.valid is None:
            return None
        x, y = self.valid
        learned = self.model.learned()
        classes = learned if self.classes is None else learned & self.classes.to(learned.device)
        return average_precision(probabilities(self.model, x, staged=True), y, classes)

    def _write(self) -> None:
        if self.state is not None:
            _state.save(self.state, self._name, self.history, self.model, self.best, self.optimizer)
        self._written = time.monotonic()

    def _resume(self, path: Path) -> None:
        found = _state.load(path, self._name)
        self.history = [Epoch(*epoch) for epoch in found.history]
        last = self.history[-1].stage
        for stage in range(last + 1):
            self._check_past(path, stage, last)
        self._start(last)
        self.model.load_state_dict(found.model)
        self.best = found.best
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": found.moments})
        if self._over(last):
            self._take_best()

    def _check_past(self, path: Path, stage: int, last: int) -> None:
        """Raise unless a stage would have had its epochs with these settings too."""
        had, end = len(self._past(stage)), self._end(stage)
        if end == had or (stage == last and end is None):
            return
        raise ValueError(
            f"{path}: expected epochs and patience with which stage {stage + 1} has the "
            f"{had} epochs of this file{' or more' if stage == last else ''}, got such that it has "
            f"{end or 'more'}; give others, or take the file away to start anew"
        )


@torch.no_grad()
def probabilities(model: Model, x: Tensor, *, block: int = 256, staged: bool = False) -> Tensor:
    """The `(samples, n)` probabilities that the model's own paper evaluates; see `Model`.

    Args:
        model: The model. Dropout is off; its mode stays as it is.
        x: `(samples, d)` features.
        block: Samples at a time.
        staged: Take those of the global logits as they are where the model has several stages: in
            the midst of them some classes are still without training.
    """
    raw = staged and model.stages > 1
    with evaluating(model):
        outputs = (model(rows) for rows in torch.split(x, block))
        parts = [o.global_logits.sigmoid() if raw else model.probabilities(o) for o in outputs]
    return torch.cat(parts)


@contextmanager
def seeded(seed: int, *place: int) -> Iterator[None]:
    """A context in which PyTorch's random numbers follow from the seed and a place.

    Around it they are as if it had not been, on the CPU and on CUDA devices that are in use. They
    are those of the whole process, so that other threads wait to enter such a context.

    Example:
        >>> with seeded(0, 3):
        ...     a = torch.rand(2)
        >>> with seeded(0, 3):
        ...     b = torch.rand(2)
        >>> torch.equal(a, b)
        True
    """
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch gives it no types
    with _SEEDED, torch.random.fork_rng(range(torch.cuda.device_count()) if used else ()):
        torch.manual_seed(int(np.random.SeedSequence([seed, *place]).generate_state(1)[0]))
        yield


@contextmanager
def flushed() -> Iterator[None]:
    """A context in which this thread of the CPU takes denormal numbers, below 1e-38, for 0.

    The weight decay leads weights without a gradient there, such as those of dead units, and the
    moments of Adam with them. They change nothing, and cost several times as much as other numbers.

    Example:
        >>> with flushed():
        ...     print((torch.full((1,), 1e-39) * 1).item())
        0.0
    """
    before = (torch.full((1,), 1e-39) * 1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _better(a: Epoch, b: Epoch) -> Epoch:
    """The epoch with the higher AU(PRC), the first of equals, or the last where there is none."""
    if _is_number(a.auprc) and not (_is_number(b.auprc) and b.auprc > a.auprc):
        return a
    return b


def _is_number(auprc: float | None) -> TypeGuard[float]:
    """Whether there is an AU(PRC), and one that is not NaN, as where nothing is positive."""
    return auprc is not None and not np.isnan(auprc)
