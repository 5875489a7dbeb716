"""What a file says about a hierarchy, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from hierloss.hierarchy import Hierarchy

__all__ = ["Inspected", "read", "report"]

KINDS = {".obo": "obo", ".csv": "edges", ".tsv": "edges", ".tab": "edges", ".npz": "npz"}
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "obo": ("relations", "namespace", "on_dangling", "on_cycle", "encoding"),
    "edges": ("columns", "child", "parent", "delimiter", "on_cycle", "encoding"),
    "paths": ("sep", "encoding"),
    "npz": (),
}


@dataclass(frozen=True)
class Inspected:
    """A hierarchy and what else its file says.

    Attributes:
        hierarchy: The hierarchy.
        relations: The number of edges of each relation, where the file tells relations apart.
        labels: Readable names of classes.
        obsolete: How many obsolete terms lead to no class.
        problems: What was left out or is ambiguous.
    """

    hierarchy: Hierarchy
    relations: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    obsolete: int = 0
    problems: Sequence[str] = ()


def read(path: str | PathLike[str], *, kind: str | None = None, **options: Any) -> Inspected:
    """Read a hierarchy from a file of any known kind.

    Args:
        path: The file.
        kind: "obo", "edges", "paths" or "npz", by default what the name of the file says.
        options: How to read it, as in `hierloss_adapters.obo.read_obo`,
            `hierloss_adapters.graph.read_edges` or `hierloss_adapters.graph.read_paths`. None
            stands for the default.

    Raises:
        ValueError: The kind is not known, has no such option, or the file is not as it should be.
    """
    path = Path(path)
    kind = kind or _kind(path)
    given = {name: value for name, value in options.items() if value is not None}
    _check_options(kind, given)
    if kind == "npz":
        return Inspected(Hierarchy.load(path))
    if kind == "obo":
        return _read_obo(path, given)
    from hierloss_adapters.graph import read_edges, read_paths

    return Inspected(read_paths(path, **given) if kind == "paths" else read_edges(path, **given))


def report(source: Inspected) -> Table:
    """A table of what a hierarchy is."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, text in _facts(source):
        table.add_row(what, text)
    return table


def _facts(source: Inspected) -> list[tuple[str, str]]:
    h = source.hierarchy
    parents = np.bincount(h.edge_index[0], minlength=len(h))
    several = int((parents > 1).sum())
    roots = ", ".join(_shown(name, source.labels) for name in h.roots[:5])
    more = f" and {len(h.roots) - 5:,} more" if h.roots[5:] else ""
    facts = [
        ("hierarchy", h.kind),
        ("classes", f"{len(h):,}, of them {len(h.leaves):,} leaves"),
        ("edges", f"{h.edge_index.shape[1]:,}{_by_relation(source)}"),
        ("roots", f"{len(h.roots):,}: {roots}{more}"),
        ("depth", f"{h.depth}"),
        ("widest levels", _widest(h)),
        (
            "several parents",
            f"{several:,} classes ({several / len(h):.1%}), at most {parents.max()}",
        ),
        ("aliases", f"{len(h.aliases):,}"),
    ]
    if source.obsolete:
        facts.append(("obsolete", f"{source.obsolete:,} terms that lead to no class"))
    cycles = [f"left out {c} -> {p}, which closes a cycle" for c, p in h.dropped]
    return [*facts, ("problems", "\n".join([*source.problems, *cycles]) or "none")]


def _by_relation(source: Inspected) -> str:
    counts = ", ".join(f"{name} {count:,}" for name, count in source.relations.items())
    twice = sum(source.relations.values()) - source.hierarchy.edge_index.shape[1]
    both = f"; {twice:,} of them by both" if counts and twice else ""
    return f" ({counts}{both})" if counts else ""


def _widest(h: Hierarchy) -> str:
    counts = np.bincount(h.levels)
    widest = np.argsort(-counts, kind="stable")[:3]
    return ", ".join(f"level {level} with {counts[level]:,}" for level in widest)


def _shown(name: str, labels: Mapping[str, str]) -> str:
    return f"{name} ({labels[name]})" if name in labels else name


def _kind(path: Path) -> str:
    from hierloss_adapters._files import kind

    found = kind(path)
    if found not in KINDS:
        raise ValueError(
            f"expected a file called {', '.join(KINDS)}, perhaps compressed, got {path.name!r}; "
            "say what it is by kind="
        )
    return KINDS[found]


def _check_options(kind: str, given: Iterable[str]) -> None:
    if kind not in OPTIONS:
        raise ValueError(f"expected kind of {', '.join(map(repr, OPTIONS))}, got {kind!r}")
    for name in given:
        if name not in OPTIONS[kind]:
            known = ", ".join(OPTIONS[kind]) or "none"
            raise ValueError(f"expected options for {kind} files ({known}), got {name}")


def _read_obo(path: Path, options: Mapping[str, Any]) -> Inspected:
    from hierloss_adapters.obo import read_obo

    found = read_obo(path, **options)
    problems = (*found.problems, *found.dropped)
    return Inspected(found.hierarchy, found.relations, found.labels, len(found.obsolete), problems)
