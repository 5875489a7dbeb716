"""The 20 data sets of the paper: their files, Table I as printed and as recomputed."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["Entry", "Facts", "File", "entries", "entry"]


class File(NamedTuple):
    """A file upstream: its name, its path in the repository and its git blob id."""

    name: str
    path: str
    blob: str


@dataclass(frozen=True)
class Facts:
    """A row of Table I.

    Attributes:
        classes: Classes that count, without the artificial root and the three roots of GO.
        features: Attributes of the file; the features are more where some are nominal.
        train: Rows of the training file.
        test: Rows of the test file.
        taxonomy: "Tree" or "DAG".
        cardinality: Classes of a training row, closed upward, on average.
        density: Cardinality by classes.
        depth: Levels with a class that counts, by the longest path.
        per_level: Classes by depth.
    """

    classes: int
    features: int
    train: int
    test: int
    taxonomy: str
    cardinality: float
    density: float
    depth: int
    per_level: float


@dataclass(frozen=True)
class Entry:
    """A data set of the paper.

    Attributes:
        name: Its name here, as its files begin.
        title: Its name in the tables of the paper.
        files: Its file of each split, "train", "valid" and "test", or "train" and "test".
        printed: Its row of Table I as the paper has it.
        facts: The same, recomputed from the files, by the definitions of `Facts`. The paper counts
            the three roots of GO in the cardinality, an artificial root in the density, and the
            rows of GO for FunCat; its depth of GO, Enron and Diatoms, its 4166 classes of SPO GO
            and its 1000 features of Enron are not those of the files. Of data sets without a
            validation file it counts 70 % of the training rows.
        naive: AU(PRC) on the test rows of the class frequencies of the rows for training and
            validation, given to every row. A system that learns from the features is above it.
    """

    name: str
    title: str
    files: Mapping[str, File]
    printed: Facts
    facts: Facts
    naive: float


@cache
def entries() -> Mapping[str, Entry]:
    """All data sets by name, in the order of the paper.

    Example:
        >>> list(entries())[:3]
        ['cellcycle_FUN', 'derisi_FUN', 'eisen_FUN']
    """
    manifest = [File(row["file"], row["path"], row["blob"]) for row in table("manifest")]
    recomputed = {row["name"]: row for row in table("facts")}
    return MappingProxyType(
        {
            name: Entry(
                name=name,
                title=row["title"],
                files=_splits(name, manifest),
                printed=_printed(row),
                facts=_recomputed(recomputed[name]),
                naive=float(recomputed[name]["naive"]),
            )
            for row in table("table1")
            for name in [row["name"]]
        }
    )


def entry(name: str) -> Entry:
    """The entry of a data set, by its name.

    Raises:
        ValueError: There is no such data set.

    Example:
        >>> entry("spo_GO").printed.classes, entry("spo_GO").facts.classes
        (4166, 4116)
    """
    known = entries()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"expected one of {', '.join(known)}, got {name!r}{hint}")
    return known[name]


def table(name: str) -> list[dict[str, str]]:
    """The rows of a table of this package, as text; lines that begin with "#" are none."""
    text = (files("hierloss.paper") / f"{name}.tsv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return list(csv.DictReader(lines, delimiter="\t"))


def _printed(row: Mapping[str, str]) -> Facts:
    return Facts(
        classes=int(row["classes"]),
        features=int(row["features"]),
        train=int(row["train"]),
        test=int(row["test"]),
        taxonomy=row["taxonomy"],
        cardinality=float(row["cardinality"]),
        density=float(row["density"]),
        depth=int(row["depth"]),
        per_level=float(row["per_level"]),
    )


def _recomputed(row: Mapping[str, str]) -> Facts:
    classes, depth, cardinality = int(row["classes"]), int(row["depth"]), float(row["cardinality"])
    derived = {"density": f"{cardinality / classes}", "per_level": f"{classes / depth}"}
    return _printed({**row, **derived})


def _splits(name: str, manifest: Iterable[File]) -> Mapping[str, File]:
    own = [file for file in manifest if file.name.startswith(name)]
    found = {re.findall("train|valid|test", x.name.lower())[0]: x for x in own}
    return MappingProxyType({x: found[x] for x in ("train", "valid", "test") if x in found})
