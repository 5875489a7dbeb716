"""The files of the NCBI taxonomy as arrays, for there are millions of taxa."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from sys import intern
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierloss import HierarchyError, UnknownClassError
from hierloss._dag import Ints
from hierloss._input import name_list
from hierloss_adapters._files import Source, at, stream_rows

_DIGITS = 18


class Nodes(NamedTuple):
    """The rows of `nodes.dmp`, the parent as a row, and the rows in the order of identifiers."""

    ids: Ints
    parent: Ints
    ranks: list[str]
    order: Ints

    def rows(self, ids: Ints) -> Ints:
        """The row of each identifier, -1 for one that is not there."""
        place = np.searchsorted(self.ids, ids, sorter=self.order)
        found = self.order[np.minimum(place, len(self.ids) - 1)]
        return np.where(self.ids[found] == ids, found, -1)


def nodes(path: Source, encoding: str) -> Nodes:
    """The rows of `nodes.dmp`."""
    ids, above, ranks = array("q"), array("q"), []
    for line, row in _dump(path, encoding, 3):
        ids.append(_identifier(path, line, row[0]))
        above.append(_identifier(path, line, row[1]))
        ranks.append(intern(row[2]))
    if not ids:
        raise HierarchyError(f"{os.fspath(path)}: expected at least one taxon, got none")
    found, parents = (np.array(x, dtype=np.int64) for x in (ids, above))
    table = Nodes(found, parents, ranks, _ordered(path, found, encoding))
    table = table._replace(parent=table.rows(parents))
    lost = np.flatnonzero(table.parent < 0)
    if lost.size:
        i = int(lost[0])
        problem = f"expected a parent in the file, got {parents[i]}; add its line"
        raise at(path, _line(path, i, encoding), problem)
    return table


def merged(path: Source, table: Nodes, encoding: str) -> dict[int, int]:
    """The row of what each former taxon is part of, by the identifier of the former one."""
    pairs = [
        [_identifier(path, line, cell) for cell in row[:2]]
        for line, row in _dump(path, encoding, 2)
    ]
    old, new = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    _ordered(path, old, encoding)
    rows = table.rows(new)
    wrong = np.flatnonzero((rows < 0) | (table.rows(old) >= 0))
    if wrong.size:
        i = int(wrong[0])
        raise at(
            path,
            _line(path, i, encoding),
            f"expected a former taxon and a living one, got {old[i]} and {new[i]}; take both files "
            "from one release",
        )
    return dict(zip(old.tolist(), rows.tolist(), strict=True))


def with_ancestors(
    path: Source, table: Nodes, taxa: Iterable[str], aliases: Mapping[int, int]
) -> Ints:
    """The rows of taxa and of all above them."""
    wanted = name_list(taxa if isinstance(taxa, str) else dict.fromkeys(taxa))
    ids = np.array([_number(x) for x in wanted], dtype=np.int64)
    rows = table.rows(ids)
    front = np.array(
        [aliases.get(i, row) for i, row in zip(ids.tolist(), rows.tolist(), strict=True)], dtype=int
    )
    if (front < 0).any():
        first = wanted[int(np.flatnonzero(front < 0)[0])]
        raise UnknownClassError(
            f"{os.fspath(path)}: expected taxa of the file, got {first!r}; it may be merged into "
            "another, so pass merged='merged.dmp', or deleted"
        )
    keep: NDArray[np.bool_] = np.zeros(len(table.ids), dtype=bool)
    while front.size:
        keep[front] = True
        front = np.unique(table.parent[front])
        front = front[~keep[front]]
    return np.flatnonzero(keep)


def scientific(
    path: Source, table: Nodes, place: Ints, names: Sequence[str], encoding: str
) -> dict[str, str]:
    """The scientific name of each class; `place` is the column of each row, -1 for none."""
    ids, texts = array("q"), []
    for line, row in _dump(path, encoding, 4):
        if row[3] == "scientific name":
            ids.append(_identifier(path, line, row[0]))
            texts.append(row[1])
    if not texts:
        problem = "expected rows with a scientific name, got none; is it names.dmp?"
        raise HierarchyError(f"{os.fspath(path)}: {problem}")
    rows = table.rows(np.array(ids, dtype=np.int64))
    columns = np.where(rows < 0, -1, place[rows]).tolist()
    return {names[j]: text for j, text in zip(columns, texts, strict=True) if j >= 0}


def _ordered(path: Source, ids: Ints, encoding: str) -> Ints:
    """The rows of a dump in the order of identifiers, each of which has to be there once."""
    order = np.argsort(ids, kind="stable")
    again = order[1:][np.diff(ids[order]) == 0]
    if again.size:
        i = int(again.min())
        problem = f"expected each taxon once, got {ids[i]} again; drop the line"
        raise at(path, _line(path, i, encoding), problem)
    return order


def _line(path: Source, row: int, encoding: str) -> int:
    """The number of the line of a row, for errors: they differ where lines are blank."""
    return next(islice(stream_rows(path, encoding), row, None))[0]


def _dump(path: Source, encoding: str, least: int) -> Iterator[tuple[int, list[str]]]:
    """The numbers of the lines of a dump that are not blank, and their fields."""
    for line, text in stream_rows(path, encoding):
        row = text.rstrip("\r\n").removesuffix("\t|").split("\t|\t")
        if len(row) < least:
            problem = f"expected {least} fields or more between '\\t|\\t', got {text.strip()!r}"
            raise at(path, line, f"{problem}; is it the right file?")
        yield line, row


def _number(taxon: str) -> int:
    """The identifier that a class is called by, -1 if it can be none."""
    return int(taxon) if re.fullmatch(rf"[1-9]\d{{,{_DIGITS - 1}}}", taxon, re.ASCII) else -1


def _identifier(path: Source, line: int, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= _DIGITS):
        raise at(path, line, f"expected the number of a taxon, got {cell!r}; mend it")
    return int(cell)
