"""What a file says about a hierarchy, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.table import Table

from hierloss._input import OnCycle
from hierloss.hierarchy import Hierarchy

__all__ = ["Inspected", "read", "report"]

COMPRESSED = {".gz", ".bz2", ".xz", ".gzip"}
KINDS = {".obo": "obo", ".csv": "edges", ".tsv": "edges", ".tab": "edges", ".npz": "npz"}
OPTIONS = {
    "obo": {"relations", "namespace", "on_dangling", "on_cycle", "encoding"},
    "edges": {"columns", "delimiter", "on_cycle", "encoding"},
    "paths": {"sep", "encoding"},
    "npz": set(),
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


def read(
    path: Path,
    *,
    kind: str | None = None,
    relations: Sequence[str] | None = None,
    namespace: str | None = None,
    on_dangling: OnCycle | None = None,
    columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    sep: str | None = None,
    on_cycle: OnCycle | None = None,
    encoding: str | None = None,
) -> Inspected:
    """Read a hierarchy from a file of any known kind.

    Args:
        path: The file.
        kind: "obo", "edges", "paths" or "npz", by default what the name of the file says.
        relations: As in `hierloss_adapters.obo.read_obo`, as are `namespace` and `on_dangling`.
        namespace: See `relations`.
        on_dangling: See `relations`.
        columns: As in `hierloss_adapters.graph.read_edges`, as is `delimiter`.
        delimiter: See `columns`.
        sep: As in `hierloss_adapters.graph.read_paths`.
        on_cycle: As in `Hierarchy.from_edges`.
        encoding: The encoding of a text file, UTF-8 by default.

    Raises:
        ValueError: The kind is not known, has no such option, or the file is not as it should be.
    """
    kind = kind or _kind(path)
    given = {
        "relations": relations,
        "namespace": namespace,
        "on_dangling": on_dangling,
        "columns": columns,
        "delimiter": delimiter,
        "sep": sep,
        "on_cycle": on_cycle,
        "encoding": encoding,
    }
    _check_options(kind, {name for name, value in given.items() if value is not None})
    if kind == "npz":
        return Inspected(Hierarchy.load(path))
    encoding, on_cycle = encoding or "utf-8", on_cycle or "raise"
    if kind == "obo":
        chosen = relations or ("is_a", "part_of")
        return _read_obo(path, chosen, namespace, on_dangling or "raise", on_cycle, encoding)
    from hierloss_adapters.graph import read_edges, read_paths

    if kind == "paths":
        return Inspected(read_paths(path, sep="/" if sep is None else sep, encoding=encoding))
    return Inspected(
        read_edges(path, columns=columns, delimiter=delimiter, on_cycle=on_cycle, encoding=encoding)
    )


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
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in COMPRESSED]
    if not suffixes or suffixes[-1] not in KINDS:
        raise ValueError(
            f"expected a file called {', '.join(KINDS)}, perhaps compressed, got {path.name!r}; "
            "say what it is with --format"
        )
    return KINDS[suffixes[-1]]


def _check_options(kind: str, given: set[str]) -> None:
    for name in sorted(given - OPTIONS[kind]):
        known = ", ".join(sorted(OPTIONS[kind])) or "none"
        raise ValueError(f"expected options for {kind} files ({known}), got {name}")


def _read_obo(
    path: Path,
    relations: Sequence[str],
    namespace: str | None,
    on_dangling: OnCycle,
    on_cycle: OnCycle,
    encoding: str,
) -> Inspected:
    from hierloss_adapters.obo import read_obo

    found = read_obo(
        path,
        relations,
        namespace,
        on_cycle=on_cycle,
        on_dangling=on_dangling,
        encoding=encoding,
    )
    problems = (*found.problems, *found.dropped)
    return Inspected(found.hierarchy, found.relations, found.labels, len(found.obsolete), problems)
