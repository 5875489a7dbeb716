"""From annotations to targets, and what became of each annotation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hierloss import Hierarchy, HierarchyError, UnknownClassError
from hierloss._input import name_list
from hierloss_adapters._annotation import Annotation

Unannotated = Literal["negative", "unknown"]
OnUnknown = Literal["raise", "drop"]


@dataclass(frozen=True)
class Report:
    """What became of annotations; counts are of annotations, by term unless it says otherwise.

    Attributes:
        used: How many make the target.
        evidence: Those used, by evidence.
        mapped: Those used whose term is another name of a class; `Hierarchy.aliases` tells which.
        unknown: Those left out because their term is no class, whatever they say of it.
        negated: Those with NOT, which never make anything positive.
        forms: Those with NOT of one form of the subject, such as an isoform; they deny nothing.
        no_data: Those with evidence ND, which say that nothing is known.
        conflicts: The subjects and terms of NOT where the subject is positive all the same.
        elsewhere: How many are of subjects that were not asked for.
        bare: The subjects that were asked for and have no annotation that is used.
    """

    used: int = 0
    evidence: Mapping[str, int] = field(default_factory=dict)
    mapped: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    negated: Mapping[str, int] = field(default_factory=dict)
    forms: Mapping[str, int] = field(default_factory=dict)
    no_data: Mapping[str, int] = field(default_factory=dict)
    conflicts: tuple[tuple[str, str], ...] = ()
    elsewhere: int = 0
    bare: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.used} annotations used{_listed(self.evidence)}"]
        for count, what in (
            (self.mapped, "mapped to another name"),
            (self.unknown, "left out, of no class"),
            (self.negated, "negated"),
            (self.forms, "negated of one form of the subject"),
            (self.no_data, "without data"),
        ):
            if count:
                lines.append(f"{sum(count.values())} {what}{_listed(count)}")
        if self.conflicts:
            pairs = Counter(f"{subject} {term}" for subject, term in self.conflicts)
            lines.append(f"{len(self.conflicts)} NOT of what is positive{_listed(pairs)}")
        if self.elsewhere:
            lines.append(f"{self.elsewhere} of subjects that were not asked for")
        if self.bare:
            lines.append(f"{len(self.bare)} subjects without{_listed(dict.fromkeys(self.bare, 1))}")
        return "\n".join(lines)


class Labels(NamedTuple):
    """A target with the subjects of its rows.

    Attributes:
        target: `(subjects, n)`.
        subjects: The name of each row.
        report: What became of the annotations.
    """

    target: Tensor
    subjects: tuple[str, ...]
    report: Report


class Sorted:
    """Annotations, sorted by what becomes of them."""

    def __init__(self, hierarchy: Hierarchy, subjects: Iterable[str] | None) -> None:
        self.hierarchy = hierarchy
        self.asked = None if subjects is None else dict.fromkeys(name_list(subjects))
        self.positive: dict[str, dict[str, None]] = {}
        self.denied: dict[str, dict[str, None]] = {}
        self.databases: dict[str, str] = {}
        self.evidence: Counter[str] = Counter()
        self.mapped: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.negated: Counter[str] = Counter()
        self.forms: Counter[str] = Counter()
        self.no_data: Counter[str] = Counter()
        self.elsewhere = 0

    def add(self, row: Annotation) -> None:
        """Sort one annotation."""
        if self.asked is not None and row.subject not in self.asked:
            self.elsewhere += 1
            return
        self._check_database(row)
        if row.term not in self.hierarchy:
            self.unknown[row.term] += 1
        elif row.evidence == "ND":
            self.no_data[row.term] += 1
        elif row.negated and row.form:
            self.forms[row.term] += 1
        elif row.negated:
            self.negated[row.term] += 1
            self._keep(row, self.denied)
        else:
            self.evidence[row.evidence] += 1
            self.mapped[row.term] += row.term in self.hierarchy.aliases
            self._keep(row, self.positive)

    def conflicts(self) -> tuple[tuple[str, str], ...]:
        """The NOT whose class is positive, or made positive by a descendant."""
        found = []
        for subject, terms in self.denied.items():
            closed = set(self.positive.get(subject, ()))
            closed.update(*(self.hierarchy.ancestors(term) for term in [*closed]))
            found += [(subject, term) for term in terms if term in closed]
        return tuple(found)

    def report(self) -> Report:
        """What became of the annotations."""
        return Report(
            used=self.evidence.total(),
            evidence=dict(self.evidence.most_common()),
            mapped=dict((+self.mapped).most_common()),
            unknown=dict(self.unknown.most_common()),
            negated=dict(self.negated.most_common()),
            forms=dict(self.forms.most_common()),
            no_data=dict(self.no_data.most_common()),
            conflicts=self.conflicts(),
            elsewhere=self.elsewhere,
            bare=tuple(x for x in self.asked or () if x not in self.positive),
        )

    def _keep(self, row: Annotation, where: dict[str, dict[str, None]]) -> None:
        name = self.hierarchy.aliases.get(row.term, row.term)
        where.setdefault(row.subject, {})[name] = None

    def _check_database(self, row: Annotation) -> None:
        first = self.databases.setdefault(row.subject, row.database)
        if first != row.database:
            raise HierarchyError(
                f"expected subjects of one database each, got {row.subject!r} of {first!r} and of "
                f"{row.database!r}; give them different names first, as in "
                "row._replace(subject=f'{row.database}:{row.subject}')"
            )


def target_of(found: Sorted, subjects: tuple[str, ...], unannotated: Unannotated) -> Tensor:
    """The dense target, with -1 where nothing is said if `unannotated` is "unknown"."""
    h = found.hierarchy
    closed = h.encode(found.positive.get(subject, ()) for subject in subjects)
    if unannotated == "negative":
        return closed
    target = closed.to(torch.int8) - (~closed).to(torch.int8)
    row, conflicts = {subject: i for i, subject in enumerate(subjects)}, set(found.conflicts())
    for subject, terms in found.denied.items():
        for term in terms:
            if (subject, term) not in conflicts:
                column = h.index(term)
                target[row[subject], [column, *h.descendants(column)]] = 0
    return target


def check_unknown(counts: Mapping[str, int], what: str) -> None:
    """Raise if there are terms that are no classes, naming them with their counts."""
    if counts:
        raise UnknownClassError(
            f"expected {what} of terms of the hierarchy, got {sum(counts.values())} of "
            f"{len(counts)} others{_listed(counts)}; use the ontology they were made with, or pass "
            "on_unknown='drop' to leave them out and have them reported"
        )


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{name or '(none)'}{f' ({k})' * (k > 1)}" for name, k in counts.items()][:5]
    return ": " * bool(shown) + ", ".join(shown) + ", ..." * (len(counts) > 5)
