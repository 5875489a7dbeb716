"""What a training is asked for, and what its epochs come to."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple


@dataclass(frozen=True)
class Settings:
    """How a model is trained: with Adam, on batches drawn anew in each epoch.

    Attributes:
        epochs: How many, at most where `patience` is given; for each stage, where it is a tuple.
        batch: Samples of a batch.
        lr: The learning rate.
        weight_decay: The factor of the L2 penalty.
        patience: Stop after so many epochs without a better AU(PRC) on the validation rows.
        seed: Where randomness starts.
    """

    epochs: int | tuple[int, ...] = 100
    batch: int = 4
    lr: float = 1e-4
    weight_decay: float = 1e-5
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        stages = self.epochs if isinstance(self.epochs, tuple) else (self.epochs,)
        counts = {"batch": self.batch, "patience": self.patience, "seed": self.seed}
        for what, value in (*counts.items(), *(("epochs", x) for x in stages)):
            if value is not None and not isinstance(value, Integral):
                raise TypeError(f"expected {what} to be a whole number, got {value!r}")
        for what in ("batch", "lr", "patience"):
            value = getattr(self, what)
            if value is not None and not value > 0:
                raise ValueError(f"expected {what} above 0, got {value!r}")
        for what in ("weight_decay", "seed"):
            value = getattr(self, what)
            if not value >= 0:
                raise ValueError(f"expected {what} of 0 or more, got {value!r}")
        if min(stages, default=0) < 1:
            raise ValueError(f"expected epochs of 1 or more, got {self.epochs!r}")

    def of_stage(self, stage: int) -> int:
        """The epochs of a stage."""
        return self.epochs[stage] if isinstance(self.epochs, tuple) else self.epochs


class Epoch(NamedTuple):
    """What an epoch came to.

    Attributes:
        stage: The stage of the training, from 0.
        epoch: Its number in the stage, from 1.
        loss: The mean loss of its samples.
        seconds: How long its training took.
        auprc: AU(PRC) on the validation rows, where there are any; NaN without positives.
    """

    stage: int
    epoch: int
    loss: float
    seconds: float
    auprc: float | None
