"""The lines of CAFA files, read: predictions, perhaps between a header and END."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from hierloss import Hierarchy
from hierloss_adapters._files import NUMBER, Source, at, stream_lines

HEADER = ("AUTHOR", "MODEL", "KEYWORDS", "ACCURACY", "REMARK")
END = "END"
TEXT = "Text"
_NUMBER = re.compile(NUMBER)


class Lines:
    """The predictions of a file, with what else its lines say."""

    def __init__(self, path: Source, encoding: str) -> None:
        self.path, self.encoding = path, encoding
        self.header: dict[str, str] = {}
        self.texts = 0

    def __iter__(self) -> Iterator[tuple[str, str, float]]:
        ended = False
        for number, line in stream_lines(self.path, self.encoding):
            cells = line.split()
            if not cells:
                continue
            if ended:
                raise at(self.path, number, f"expected nothing after END, got {line.strip()!r}")
            if cells == [END]:
                ended = True
            elif cells[0] in HEADER:
                self._add_header(number, cells)
            elif len(cells) > 3 and cells[1] == TEXT:
                self.texts += 1
            else:
                yield self._prediction(number, cells)
        if self.header and not ended:
            raise at(self.path, number, "expected END, as the file has a header, got no more lines")

    def _add_header(self, number: int, cells: list[str]) -> None:
        tag, value = cells[0], " ".join(cells[1:])
        if tag == "MODEL" and tag in self.header:
            raise at(self.path, number, "expected one model, got another; put it in its own file")
        self.header[tag] = ", ".join(filter(None, (self.header.get(tag), value)))

    def _prediction(self, number: int, cells: list[str]) -> tuple[str, str, float]:
        if len(cells) != 3:
            raise at(
                self.path, number, f"expected a subject, a term and a score, got {len(cells)} cells"
            )
        score = parsed(cells[2])
        if not 0 <= score <= 1:
            raise at(self.path, number, f"expected a score from 0 to 1, got {cells[2]!r}")
        return cells[0], cells[1], score


class Columns:
    """The column of each term, with a count of those that have none."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self.known: dict[str, int] = {}
        self.unknown: Counter[str] = Counter()

    def __call__(self, term: str) -> int | None:
        """The column of a term, by its name or an alias."""
        if term not in self.known:
            if term not in self.hierarchy:
                self.unknown[term] += 1
                return None
            self.known[term] = self.hierarchy.index(term)
        return self.known[term]


def parsed(text: str) -> float:
    """A decimal number as it is written, NaN if it is none."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan
