"""The same small network, trained with each loss and judged on animals it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import mean, stdev
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hierloss.demo.zoo import Zoo
from hierloss.hierarchy import Hierarchy
from hierloss.layers import MCM
from hierloss.losses import HybridLoss, LHLoss, MCLoss
from hierloss.metrics import average_precision, violation_rate

LOSSES: dict[str, Callable[[Hierarchy], nn.Module]] = {
    "BCE": lambda hierarchy: nn.BCEWithLogitsLoss(),
    "MCLoss": MCLoss,
    "LHLoss": LHLoss,
    "HybridLoss": HybridLoss,
}


class Measure(NamedTuple):
    """How good scores are.

    Attributes:
        auprc: The area under the precision-recall curve of all pairs of an animal and a class
            below the root.
        violated: The share of pairs of an animal and an edge whose child scores above its parent.
        incoherent: The share of animals whose classes above a probability of 0.5 lack an ancestor.
    """

    auprc: float
    violated: float
    incoherent: float


class Result(NamedTuple):
    """What one loss came to.

    Attributes:
        loss: The name of the loss.
        logits: `(repeats, animals, n)`, each animal's from the network that has not seen it.
        before: Each repeat's measure of the logits.
        after: Each repeat's measure of the logits after MCM.
    """

    loss: str
    logits: Tensor
    before: tuple[Measure, ...]
    after: tuple[Measure, ...]


def cross_validate(
    zoo: Zoo,
    *,
    folds: int = 5,
    repeats: int = 5,
    epochs: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Result, ...]:
    """Cross-validate one network with each of four losses.

    The losses share folds, initial weights and settings; none of these is tuned. A repeat draws
    new folds and new weights.

    Args:
        zoo: The data.
        folds: How many parts the animals are divided into.
        repeats: How often.
        epochs: Steps of training, each on all animals of a training part.
        seed: Where randomness starts; the same seed gives the same results.
        progress: Called with the number of networks trained, and of those to train.

    Raises:
        ValueError: A number is too small, or there are more folds than animals.
    """
    if not 2 <= folds <= len(zoo.names) or min(repeats, epochs) < 1:
        raise ValueError(
            f"expected 2 to {len(zoo.names)} folds, and repeats and epochs of 1 or more, "
            f"got folds={folds}, repeats={repeats}, epochs={epochs}"
        )
    logits = {loss: torch.empty(repeats, *zoo.target.shape) for loss in LOSSES}
    jobs = [(r, k, loss) for r in range(repeats) for k in range(folds) for loss in LOSSES]
    for done, (r, k, loss) in enumerate(jobs, 1):
        held_out = _folds(len(zoo.names), folds, 1000 * seed + r) == k
        logits[loss][r, held_out] = _predict(zoo, held_out, loss, epochs, 1000 * seed + r)
        if progress is not None:
            progress(done, len(jobs))
    return tuple(_result(zoo, loss, z) for loss, z in logits.items())


def measure(zoo: Zoo, logits: Tensor) -> Measure:
    """The measure of `(animals, n)` logits."""
    h = zoo.hierarchy
    judged = torch.tensor([name not in h.roots for name in h.names])
    incoherent = h.violations(logits > 0).any(-1).double().mean()
    return Measure(
        average_precision(logits, zoo.target, judged), violation_rate(logits, h), float(incoherent)
    )


def spread(values: list[float]) -> tuple[float, float]:
    """The mean and the standard deviation, 0 of a single value."""
    return mean(values), stdev(values) if len(values) > 1 else 0.0


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: on tensors this small, several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _folds(n: int, folds: int, seed: int) -> Tensor:
    """The part that each animal belongs to."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)) % folds


@_one_thread()
def _predict(zoo: Zoo, held_out: Tensor, loss: str, epochs: int, seed: int) -> Tensor:
    """Logits of the animals held out, by a network trained on the others."""
    train = zoo.features[~held_out]
    centre, scale = train.mean(0), train.std(0).clamp(min=0.1)
    network = _network(len(zoo.traits), len(zoo.hierarchy), seed)
    criterion = LOSSES[loss](zoo.hierarchy)
    _fit(network, criterion, (train - centre) / scale, zoo.target[~held_out].float(), epochs)
    with torch.no_grad():
        logits: Tensor = network((zoo.features[held_out] - centre) / scale)
    return logits


def _network(traits: int, classes: int, seed: int) -> nn.Module:
    """A network with one hidden layer, whose weights depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(traits, 64), nn.ReLU(), nn.Linear(64, classes))


def _fit(
    network: nn.Module, criterion: nn.Module, features: Tensor, target: Tensor, epochs: int
) -> None:
    """Train the network with Adam."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(epochs):
        optimizer.zero_grad()
        criterion(network(features), target).backward()
        optimizer.step()


def _result(zoo: Zoo, loss: str, logits: Tensor) -> Result:
    coherent = MCM(zoo.hierarchy)(logits)
    return Result(
        loss,
        logits,
        before=tuple(measure(zoo, scores) for scores in logits),
        after=tuple(measure(zoo, scores) for scores in coherent),
    )
