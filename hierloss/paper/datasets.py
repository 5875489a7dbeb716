"""The data sets of the paper, ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss import Hierarchy
from hierloss.metrics import average_precision
from hierloss.paper.files import fetch
from hierloss.paper.registry import Entry, Facts, entry
from hierloss.preprocessing import Standardiser
from hierloss_adapters.arff import Arff, read_arff

__all__ = ["Dataset", "Rows", "load"]

EXCLUDED = ("root", "GO0003674", "GO0005575", "GO0008150")


class Rows(NamedTuple):
    """Rows to train on or to judge by.

    Attributes:
        features: `(samples, d)` float32, standardised by the rows to train on.
        target: `(samples, n)` bool, closed upward.
    """

    features: Tensor
    target: Tensor

    def to(self, device: str) -> Rows:
        """The rows on a device."""
        return Rows(*(x.to(device) for x in self))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set of the paper.

    Attributes:
        entry: What the registry says of it.
        weight: `(n,)` weights for loss and metric: 0 for the artificial root and the three roots
            of GO, 1 for all other classes.
        splits: What the files say: "train", "valid" or none, and "test".
        rebuilt: The files that are stand-ins for those of upstream. Results from a data set with
            such a file have to say so.
    """

    entry: Entry
    weight: Tensor = field(repr=False)
    splits: Mapping[str, Arff] = field(repr=False)
    rebuilt: tuple[str, ...]

    @property
    def hierarchy(self) -> Hierarchy:
        """The classes, the artificial root and the three roots of GO included."""
        return self.splits["train"].hierarchy

    def selection(self, seed: int = 0) -> tuple[Rows, Rows]:
        """Rows to train on and to validate with, for the choice of settings.

        They are those of the files. Without a validation file, 30 % of the training rows are drawn.

        Args:
            seed: Where the draw starts.

        Raises:
            ImportError: scikit-learn is missing.
        """
        train = self.splits["train"]
        if "valid" in self.splits:
            return _standardised(_table(train), _table(self.splits["valid"]))
        from sklearn.model_selection import train_test_split

        n = len(train.labels)
        kept, held_out = train_test_split(range(n), test_size=3 * n // 10, random_state=seed)
        features, target = _table(train)
        return _standardised((features[kept], target[kept]), (features[held_out], target[held_out]))

    def final(self) -> tuple[Rows, Rows]:
        """Rows to train on, those for validation included, and to test with."""
        parts = [_table(self.splits[x]) for x in ("train", "valid") if x in self.splits]
        features, targets = zip(*parts, strict=True)
        train = np.concatenate(features), torch.cat(targets)
        return _standardised(train, _table(self.splits["test"]))

    def facts(self) -> Facts:
        """Its row of Table I, computed from the files."""
        counted = self.weight > 0
        classes = int(counted.sum())
        depth = len(np.unique(self.hierarchy.levels[counted.numpy()]))
        train = self.splits["train"]
        cardinality = float(train.target()[:, counted].sum(1).double().mean())
        return Facts(
            classes=classes,
            features=len(train.attributes),
            train=len(train.labels),
            test=len(self.splits["test"].labels),
            taxonomy="DAG" if self.hierarchy.kind == "DAG" else "Tree",
            cardinality=cardinality,
            density=cardinality / classes,
            depth=depth,
            per_level=classes / depth,
        )

    def naive(self) -> float:
        """AU(PRC) on the test rows of the class frequencies of all other rows."""
        train, test = self.final()
        frequencies = train.target.double().mean(0).expand(test.target.shape)
        return average_precision(frequencies, test.target, self.weight > 0)


def load(name: str, *, data: Path | None = None, cache: Path | None = None) -> Dataset:
    """Read a data set, and download what is not at hand.

    Args:
        name: Its name in `hierloss.paper.registry.entries`.
        data: The folder of files at hand, by default that of `HIERLOSS_DATA`.
        cache: The folder of downloads, by default that of `HIERLOSS_CACHE`.

    Raises:
        ValueError: There is no such data set, or a file is damaged.
        OSError: A file is not at hand and cannot be downloaded.
    """
    chosen = entry(name)
    found = {x: fetch(file, data=data, cache=cache) for x, file in chosen.files.items()}
    splits = {x: read_arff(file.path, dtype=np.float64) for x, file in found.items()}
    first = splits["train"]
    for x, other in splits.items():
        if (other.hierarchy, other.feature_names) != (first.hierarchy, first.feature_names):
            raise ValueError(
                f"{found[x].path}: expected the classes and features of {found['train'].path}, "
                "got others; fetch both again"
            )
    return Dataset(
        entry=chosen,
        weight=torch.tensor([float(x not in EXCLUDED) for x in first.hierarchy]),
        splits=splits,
        rebuilt=tuple(file.path.name for file in found.values() if file.rebuilt),
    )


def _table(file: Arff) -> tuple[NDArray[Any], Tensor]:
    return file.features, file.target()


def _standardised(
    train: tuple[NDArray[Any], Tensor], other: tuple[NDArray[Any], Tensor]
) -> tuple[Rows, Rows]:
    standardise = Standardiser.fit(train[0])
    return Rows(standardise(train[0]), train[1]), Rows(standardise(other[0]), other[1])
