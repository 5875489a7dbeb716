"""The hierarchies that are measured, and random batches for them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hierloss._dag import Ints
from hierloss.hierarchy import Hierarchy

LABELS = 6


@dataclass(frozen=True)
class Case:
    """A hierarchy of the measurements.

    Attributes:
        title: What it is.
        file: Where it is in the data folder.
        read: Reads the file.
        classes: How many classes it has, as has the synthetic hierarchy in its place.
        edges: How many edges.
        depth: The length of its longest path.
        batches: The batches to measure.
    """

    title: str
    file: str
    read: Callable[[Path], Hierarchy]
    classes: int
    edges: int
    depth: int
    batches: tuple[int, ...]


def read_tree(path: Path) -> Hierarchy:
    """The classes of an ARFF file whose class attribute lists paths."""
    return Hierarchy.from_paths(_class_values(path))


def read_dag(path: Path) -> Hierarchy:
    """The classes of an ARFF file whose class attribute lists pairs, parent/child."""
    pairs = [value.split("/") for value in _class_values(path)]
    return Hierarchy.from_edges([(child, parent) for parent, child in pairs])


CASES = {
    "funcat": Case(
        title="FunCat",
        file="hmc/cellcycle_FUN.train.arff.gz",
        read=read_tree,
        classes=499,
        edges=481,
        depth=5,
        batches=(4, 64),
    ),
    "yeast": Case(
        title="Gene Ontology of the yeast data",
        file="hmc/cellcycle_GO.train.arff.gz",
        read=read_dag,
        classes=4126,
        edges=5827,
        depth=14,
        batches=(4, 64),
    ),
    "go": Case(
        title="Gene Ontology",
        file="ontologies/go-basic-2021-12-15.obo.xz",
        read=Hierarchy.from_obo,
        classes=43_789,
        edges=77_825,
        depth=18,
        batches=(1, 64, 512),
    ),
}


def load(case: Case, data: Path) -> Hierarchy:
    """The hierarchy of a case, or a synthetic one of its size where the file is absent."""
    if has_file(case, data):
        return case.read(data / case.file)
    return synthetic(case.classes, case.edges, case.depth)


def has_file(case: Case, data: Path) -> bool:
    """Whether the real hierarchy of a case is at hand."""
    return (data / case.file).is_file()


def synthetic(classes: int, edges: int, depth: int = 15, seed: int = 0) -> Hierarchy:
    """A random hierarchy of exactly so many classes, edges and levels below the roots.

    There is one root, or as many as the edges leave without a parent; the levels below grow
    evenly. The first parent of a class is on the level above, the others there or higher. All are
    about where the class itself is on its level, so that, as in an ontology, parents of a class
    have ancestors in common. The columns of a level are shuffled.

    Raises:
        ValueError: There are too few classes for the levels, or too many edges.
    """
    random = np.random.default_rng(seed)
    start = _level_starts(classes, max(1, classes - edges), depth)
    size = np.diff(start)
    level = np.repeat(np.arange(depth + 1), size)
    if edges > start[level].sum():
        raise ValueError(f"expected at most {start[level].sum()} edges, got {edges}")
    place = (np.arange(classes) - start[level] + 0.5) / size[level]

    def drawn(child: Ints, above: Ints, spread: float) -> Ints:
        rank = place[child] * size[above] + spread * random.standard_normal(len(child))
        parent = start[above] + np.clip(rank.astype(np.int64), 0, size[above] - 1)
        return child * classes + parent

    child = np.arange(start[1], classes)
    codes, spread = drawn(child, level[child] - 1, 1.0), 1.0
    while len(codes) < edges:
        child = random.integers(start[1], classes, size=2 * (edges - len(codes)))
        above = level[child] - 1 - (random.geometric(0.5, len(child)) - 1) % level[child]
        fresh = np.setdiff1d(drawn(child, above, spread), codes)
        codes = np.concatenate([codes, random.permutation(fresh)[: edges - len(codes)]])
        spread *= 2  # where a class already has every parent nearby
    column = np.argsort(np.lexsort((random.random(classes), level)))
    # Not from_edges, which looks at every end of an edge: a million classes would take a minute.
    return Hierarchy(map(str, range(classes)), *column[np.stack(np.divmod(codes, classes))])


def batch(h: Hierarchy, size: int, device: torch.device, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Normal logits that want a gradient, and targets of a few classes with their ancestors."""
    generator = torch.Generator().manual_seed(seed)
    picked = torch.randint(len(h), (size, LABELS), generator=generator).tolist()
    target = h.encode([[h.names[i] for i in row] for row in picked]).float()
    logits = torch.randn(size, len(h), generator=generator)
    return logits.to(device).requires_grad_(), target.to(device)


def _class_values(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            words = line.split(None, 3)
            if [word.lower() for word in words[:3]] == ["@attribute", "class", "hierarchical"]:
                return words[3].strip().split(",")
    raise ValueError(f"expected a hierarchical class attribute, got none in {path.name}")


def _level_starts(classes: int, roots: int, depth: int) -> Ints:
    """Where the levels start, and where the last one ends."""
    shares = np.cumsum(np.arange(1, depth + 1)) / (depth * (depth + 1) / 2)
    start = np.concatenate([[0, roots], roots + np.round(shares * (classes - roots))])
    if (np.diff(start) < 1).any():
        raise ValueError(f"expected classes for {depth} levels below {roots} roots, got {classes}")
    return start.astype(np.int64)
