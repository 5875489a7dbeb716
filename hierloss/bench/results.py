"""What was measured, and the file it is kept in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hierloss._complete import complete
from hierloss.bench.growth import Point, exponents
from hierloss.bench.machine import Facts
from hierloss.bench.startup import Fact
from hierloss.bench.timing import Timing

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One row of one table.

    Attributes:
        case: The name of the case.
        classes: The classes of its hierarchy.
        edges: The edges of it.
        real: Whether it is the real hierarchy, not a synthetic one in its place.
        samples: The batch.
        row: The name of the row.
        forward: The way there, without a gradient.
        step: There and back.
        memory: Bytes that steps add to the peak.
        needs: Bytes that it would need, where it does not fit.
        wrong: The share of its numbers that differ from those of the reference.
        missing: Why nothing was measured.
    """

    case: str
    classes: int
    edges: int
    real: bool
    samples: int
    row: str
    forward: Timing | None = None
    step: Timing | None = None
    memory: int | None = None
    needs: int | None = None
    wrong: float | None = None
    missing: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        """What it is the measurement of."""
        return self.case, self.samples, self.row

    @property
    def logits(self) -> int:
        """The bytes of the logits."""
        return 4 * self.samples * self.classes


@dataclass
class Results:
    """All that was measured so far.

    Attributes:
        machine: What the numbers depend on.
        copy_speed: Bytes that a copy of a large tensor reads and writes in a second.
        quick: Whether it is only a trial.
        losses: The rows of the tables.
        growth: The times of synthetic hierarchies.
        startup: What is done once.
    """

    machine: Facts
    copy_speed: float
    quick: bool = False
    losses: list[Entry] = field(default_factory=list)
    growth: list[Point] = field(default_factory=list)
    startup: list[Fact] = field(default_factory=list)

    def add(self, found: Entry | Point | list[Fact]) -> None:
        """Add what was measured."""
        if isinstance(found, Entry):
            self.losses = [e for e in self.losses if e.key != found.key] + [found]
        elif isinstance(found, Point):
            self.growth.append(found)
        else:
            self.startup += found

    def entry(self, case: str, samples: int, row: str) -> Entry | None:
        """The row of a table, if it is there."""
        return next((e for e in self.losses if e.key == (case, samples, row)), None)

    def groups(self) -> list[list[Entry]]:
        """The rows of each table."""
        found: dict[tuple[str, int], list[Entry]] = {}
        for e in self.losses:
            found.setdefault((e.case, e.samples), []).append(e)
        return list(found.values())

    def save(self, path: Path) -> None:
        """Write all of it; the file is never half written."""
        content = {"format": FORMAT, **asdict(self), "exponents": exponents(self.growth)}
        with complete(path) as part:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """What `Results.save` wrote.

    Raises:
        ValueError: The file is of something else, or of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        del content["exponents"]
        return Results(
            **{
                **content,
                "losses": [_entry(e) for e in content["losses"]],
                "growth": [Point(**p) for p in content["growth"]],
                "startup": [Fact(**f) for f in content["startup"]],
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"expected a file that this version of hierloss bench wrote, got {path.name!r}"
        ) from error


def _entry(content: dict[str, Any]) -> Entry:
    times = {key: content[key] and Timing(**content[key]) for key in ("forward", "step")}
    return Entry(**{**content, **times})
