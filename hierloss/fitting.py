"""From samples to a trained model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch

from hierloss.checkpoint import Checkpoint, build, by_name
from hierloss.metrics import average_precision
from hierloss.preprocessing import Standardiser
from hierloss.samples import Samples
from hierloss.training import Epoch, Rows, Settings, Training, probabilities, seeded

__all__ = ["Fitted", "fit", "split"]


class Fitted(NamedTuple):
    """What `fit` returns.

    Attributes:
        checkpoint: The trained model.
        history: What each epoch came to.
        best: The epoch that the parameters are of, the last such of a model trained in stages.
        auprc: AU(PRC) of the model on the samples to validate with; None without any.
    """

    checkpoint: Checkpoint
    history: list[Epoch]
    best: Epoch
    auprc: float | None


def split(samples: Samples, share: float, seed: int = 0) -> tuple[Samples, Samples | None]:
    """Samples to train on, and a share of them drawn to validate with, none for a share of 0.

    Raises:
        ValueError: Nothing would be left of either.
    """
    n = len(samples.features)
    if share == 0:
        return samples, None
    held_out = round(share * n) if 0 < share < 1 else 0
    if not 0 < held_out < n:
        raise ValueError(f"expected a share of {n} samples that leaves some of both, got {share}")
    drawn = np.random.default_rng(seed).permutation(n)
    parts = (np.sort(drawn[held_out:]), np.sort(drawn[:held_out]))
    train, valid = (
        samples._replace(features=samples.features[i], target=samples.target[torch.from_numpy(i)])
        for i in parts
    )
    return train, valid


def fit(
    name: str,
    train: Samples,
    valid: Samples | None,
    settings: Settings,
    *,
    options: Mapping[str, Any] | None = None,
    left_out: tuple[str, ...] = (),
    device: str = "cpu",
    state: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
    epoch: Callable[[Epoch], object] | None = None,
) -> Fitted:
    """Train a model on samples.

    Features are standardised by the samples to train on. With samples to validate with, the
    parameters are those of the epoch with the best AU(PRC) on them.

    Args:
        name: A model of `hierloss.checkpoint.MODELS`.
        train: The samples to train on.
        valid: Those to validate with, with the same features, in any order, and classes.
        settings: How to train.
        options: What else the model is called with.
        left_out: Classes that count neither in the loss nor in predictions.
        device: Where to train.
        state: The file to go on from, and to write. It stays, so that nothing is lost before the
            checkpoint is saved; take it away then.
        progress: Called with the steps done and those of the epoch.
        epoch: Called after each epoch, first with those of the state.

    Raises:
        ValueError: The samples to validate with have other features or classes, or no class.
    """
    if valid is not None:
        valid = _alike(valid, train)
    left_out = by_name(train.hierarchy, left_out)
    classes = torch.tensor([x not in left_out for x in train.hierarchy])
    if valid is not None and not (valid.target[:, classes] == 1).any():
        raise ValueError("expected samples for validation with classes, got none; label some")
    standardise = Standardiser.fit(train.features)
    with seeded(settings.seed):
        model = build(
            name, train.hierarchy, len(train.names), options=options, left_out=left_out
        ).to(device)
    held_out = None if valid is None else _rows(valid, standardise, device)
    training = Training(
        model,
        _rows(train, standardise, device),
        settings,
        valid=held_out,
        classes=classes,
        state=state,
        progress=progress,
    )
    for one in chain(tuple(training.history), training.epochs()):
        if epoch is not None:
            epoch(one)
    auprc = None
    if held_out is not None:
        x, y = held_out
        auprc = average_precision(probabilities(model, x), y, classes.to(device))
    checkpoint = Checkpoint(name, options or {}, model.cpu(), train.names, standardise, left_out)
    return Fitted(checkpoint, training.history, training.best_epoch(model.stages - 1), auprc)


def _alike(valid: Samples, train: Samples) -> Samples:
    """Samples to validate with, their features in the order of those to train on."""
    if valid.hierarchy != train.hierarchy:
        raise ValueError("expected the classes of training for validation too, got others")
    if valid.names == train.names:
        return valid
    place = {name: i for i, name in enumerate(valid.names)}
    missing = [name for name in train.names if name not in place]
    more = sorted(set(valid.names) - set(train.names))
    if missing or more:
        found = f"got none called {missing[0]!r}" if missing else f"got {more[0]!r} too"
        raise ValueError(f"expected the features of training for validation too, {found}")
    order = [place[name] for name in train.names]
    return valid._replace(features=valid.features[:, order], names=train.names)


def _rows(samples: Samples, standardise: Standardiser, device: str) -> Rows:
    return standardise(samples.features).to(device), samples.target.to(device)
