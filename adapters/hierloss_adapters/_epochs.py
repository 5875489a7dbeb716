"""Epochs of a network on rows of arrays or sparse matrices, which may have weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.metrics import average_precision_score
from sklearn.utils import check_array, column_or_1d, gen_batches
from torch import Tensor, nn

import hierloss.functional as HF
from hierloss import Hierarchy, HybridLoss
from hierloss.models import Model, Output
from hierloss.training import flushed, seeded
from hierloss_adapters._label_forms import dense

Batch = tuple[Tensor, Tensor, "Tensor | None"]


class Rows(NamedTuple):
    """Samples to train on.

    Attributes:
        x: `(samples, d)` features.
        y: `(samples, n)` targets, -1 for unknown.
        weight: `(samples,)` weights.
    """

    x: Any
    y: Any
    weight: NDArray[np.float64] | None

    def take(self, rows: NDArray[Any]) -> Rows:
        """Some of them."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.x[rows], self.y[rows], weight)

    def counting(self) -> Rows:
        """The same without the samples whose weight is 0."""
        return self if self.weight is None else self.take(np.flatnonzero(self.weight))

    def scaled(self) -> Rows:
        """Those with weights whose mean is 1.

        Raises:
            ValueError: All weights are 0.
        """
        if self.weight is None:
            return self
        if not len(self.weight):
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return self._replace(weight=self.weight / self.weight.mean())

    def batch(self, rows: NDArray[Any], like: Tensor) -> Batch:
        """Some of them as tensors, on the device of another one, whose type features have too."""
        x, y = dense(self.x[rows]).to(like), dense(self.y[rows]).to(like.device)
        weight = None if self.weight is None else torch.tensor(self.weight[rows]).to(x)
        return x, y, weight


def checked_weight(weight: Any, samples: int) -> NDArray[np.float64]:
    """The weights of samples, `(samples,)`, where one number is that of all.

    Raises:
        ValueError: They are of another number, or below 0.
    """
    given = np.full(samples, weight) if isinstance(weight, Real) else weight
    array = check_array(given, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    found: NDArray[np.float64] = column_or_1d(array)
    if len(found) != samples or (found < 0).any():
        raise ValueError(
            f"expected sample_weight of 0 or more for each of {samples} samples, got "
            f"{len(found)} from {found.min():g} to {found.max():g}"
        )
    return found


@contextmanager
def all_or_nothing(thing: object, *parts: str) -> Iterator[None]:
    """Leave a thing as it was if what is done to it fails.

    Args:
        thing: The thing.
        parts: The names of attributes that are changed in place.
    """
    before = dict(vars(thing))
    vars(thing).update({name: deepcopy(before[name]) for name in parts if name in before})
    try:
        yield
    except BaseException:
        vars(thing).clear()
        vars(thing).update(before)
        raise


class Done(NamedTuple):
    """What epochs came to.

    Attributes:
        losses: The mean loss of each.
        scores: The score of each on rows held out; None without.
    """

    losses: list[float]
    scores: list[float] | None


class Patience:
    """Says when scores have not got better for a number of epochs.

    Example:
        >>> patience = Patience(2, tol=0.1)
        >>> [patience.over(score) for score in (1.0, 2.0, 2.1, 2.1)]
        [False, False, False, True]
    """

    def __init__(self, epochs: int, tol: float) -> None:
        self.epochs, self.tol = epochs, tol
        self.best: float | None = None
        self.waited = 0

    def improved(self, score: float) -> bool:
        """Whether it is the best so far."""
        return self.best is None or score > self.best

    def over(self, score: float) -> bool:
        """Note the score of an epoch, and say whether to stop."""
        enough = self.best is None or score > self.best + self.tol * abs(self.best)
        self.waited = 0 if enough else self.waited + 1
        self.best = score if self.best is None else max(score, self.best)
        return self.waited >= self.epochs


def epochs(
    network: nn.Module,
    step: Callable[[], float],
    judge: Callable[[], float] | None,
    patience: Patience,
    numbers: range,
    *,
    seed: int,
    shown: bool,
) -> Done:
    """Take steps until they are done or bring nothing.

    With a judge the network ends with the parameters that it scored highest.

    Args:
        network: The network.
        step: Trains it for an epoch, and returns the loss.
        judge: Scores it on rows held out.
        patience: When to stop: by that score, or by the loss.
        numbers: The numbers of the epochs; randomness follows from the seed and them.
        seed: Where randomness starts.
        shown: Whether to show a progress bar.
    """
    losses: list[float] = []
    scores: list[float] = []
    best: dict[str, Tensor] = {}
    with progress_bar(len(numbers), shown) as advance:
        for number in numbers:
            with seeded(seed, number), flushed():
                losses.append(step())
            scores.append(judge() if judge else -losses[-1])
            if judge and patience.improved(scores[-1]):
                best = {name: x.clone() for name, x in network.state_dict().items()}
            advance(f"loss {losses[-1]:.4f}" + (f", AU(PRC) {scores[-1]:.4f}" if judge else ""))
            if patience.over(scores[-1]):
                break
    if best:
        network.load_state_dict(best)
    return Done(losses, scores if judge else None)


def train(
    network: nn.Module,
    loss: HybridLoss,
    optimizer: torch.optim.Optimizer,
    rows: Rows,
    size: int,
) -> float:
    """One pass over the rows in batches, and its mean loss.

    Raises:
        ValueError: The loss is not finite.
    """
    network.train()
    like = next(network.parameters())
    n = rows.x.shape[0]
    order = torch.randperm(n).numpy()
    total = torch.zeros((), dtype=torch.float64, device=like.device)
    for part in gen_batches(n, size, min_batch_size=min(2, size)):  # one sample has no variance
        x, y, weight = rows.batch(order[part], like)
        optimizer.zero_grad()
        output = _output(network(x))
        value = loss(output.global_logits, y, local_input=output.local_logits, sample_weight=weight)
        value.backward()
        optimizer.step()
        total += value.detach() * len(x)
    mean: float = total.item() / n
    if not np.isfinite(mean):
        raise ValueError(f"expected a finite loss, got {mean}; lower lr, or scale the features")
    return mean


@torch.no_grad()
def probabilities(
    network: nn.Module, x: Any, hierarchy: Hierarchy, block: int = 1024
) -> NDArray[np.float32]:
    """Coherent probabilities, `(samples, n)`."""
    network.eval()
    like = next(network.parameters())
    starts = range(0, x.shape[0], block)
    outputs = (_output(network(dense(x[i : i + block]).to(like))) for i in starts)
    raw = network.raw if isinstance(network, Model) else lambda o: o.global_logits.sigmoid()
    parts = [HF.mcm(raw(output), hierarchy).float().cpu().numpy() for output in outputs]
    return np.concatenate(parts)


def _output(made: Any) -> Output:
    """What a network made, logits or an `Output` of `hierloss.models`."""
    return made if isinstance(made, Output) else Output(made, None)


def pooled_score(
    p: NDArray[Any],
    y: Any,
    weight: NDArray[np.float64] | None = None,
    classes: NDArray[np.bool_] | None = None,
) -> float:
    """The average precision of all known pairs of a sample and a class; NaN without positives.

    Args:
        p: `(samples, n)` scores.
        y: `(samples, n)` targets, -1 for unknown.
        weight: `(samples,)` weights.
        classes: `(n,)`, which columns count; all by default.
    """
    target = dense(y).numpy()
    counted = target != -1 if classes is None else (target != -1) & classes
    positive = target[counted]
    if not positive.any():
        return float("nan")
    if weight is not None:
        weight = np.broadcast_to(weight[:, None], target.shape)[counted]
    return float(average_precision_score(positive, p[counted], sample_weight=weight))


@contextmanager
def progress_bar(epochs: int, shown: bool) -> Iterator[Callable[[str], None]]:
    """A progress bar over epochs; what it gives is called after each, with what to show."""
    columns = (
        TextColumn("epoch {task.completed}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("", total=epochs)
        yield lambda text: progress.update(task, advance=1, description=text)
