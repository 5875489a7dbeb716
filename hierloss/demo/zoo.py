"""The animals of the UCI Zoo in a zoological taxonomy."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import as_file, files

import torch
from torch import Tensor

from hierloss import Hierarchy


@dataclass(frozen=True, eq=False)
class Zoo:
    """The data of the demonstration.

    Attributes:
        names: The animals; two of them are called frog.
        traits: What is known about each of them.
        features: `(animals, traits)` float32, as in the file.
        taxa: The lowest class of each animal.
        hierarchy: The taxonomy.
        target: `(animals, n)` bool, closed upward.
    """

    names: tuple[str, ...]
    traits: tuple[str, ...]
    features: Tensor
    taxa: tuple[str, ...]
    hierarchy: Hierarchy
    target: Tensor


def load() -> Zoo:
    """The 101 animals of Forsyth's Zoo with 16 traits, classified by us into 69 taxa.

    Example:
        >>> zoo = load()
        >>> zoo.names[45], zoo.taxa[45]
        ('lion', 'Felidae')
    """
    from hierloss_adapters.graph import read_edges

    with as_file(files("hierloss.demo") / "taxonomy.csv") as path:
        hierarchy = read_edges(path)
    header, *rows = _rows("zoo.csv")
    taxa = tuple(row[-1] for row in rows)
    return Zoo(
        names=tuple(row[0] for row in rows),
        traits=tuple(header[1:-1]),
        features=torch.tensor([[float(cell) for cell in row[1:-1]] for row in rows]),
        taxa=taxa,
        hierarchy=hierarchy,
        target=hierarchy.encode([taxon] for taxon in taxa),
    )


def _rows(name: str) -> list[list[str]]:
    """The rows of a CSV file of this package, without its comments."""
    text = (files("hierloss.demo") / name).read_text(encoding="utf-8")
    return list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
