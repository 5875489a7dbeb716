"""Annotations, their codes, and the cells of GAF and GPAD rows that they are read from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple

Parse = Callable[[list[str], str], "Annotation"]

# Each code with its own ECO id first, then with those that GO gives it for some references.
_ECO = {
    "EXP": "0000269", "IDA": "0000314", "IPI": "0000353", "IMP": "0000315", "IGI": "0000316",
    "IEP": "0000270", "HTP": "0006056", "HDA": "0007005", "HMP": "0007001", "HGI": "0007003",
    "HEP": "0007007", "IBA": "0000318", "IBD": "0000319", "IKR": "0000320", "IRD": "0000321",
    "ISS": "0000250 0000031", "ISO": "0000266", "ISA": "0000247", "ISM": "0000255",
    "IGC": "0000317 0000354", "RCA": "0000245", "TAS": "0000304", "NAS": "0000303",
    "IC": "0000305", "ND": "0000307",
    "IEA": "0007669 0000501 0000256 0000265 0000322 0000323 0000363",
}  # fmt: skip
ECO = {f"ECO:{number}": code for code, numbers in _ECO.items() for number in numbers.split()}
CODES = frozenset(_ECO) | {"IMR"}
_RELATIONS: dict[str, dict[str, str]] = {
    "F": {"RO:0002327": "enables", "RO:0002326": "contributes_to"},
    "P": {
        "RO:0002331": "involved_in",
        "RO:0002263": "acts_upstream_of",
        "RO:0004034": "acts_upstream_of_positive_effect",
        "RO:0004035": "acts_upstream_of_negative_effect",
        "RO:0002264": "acts_upstream_of_or_within",
        "RO:0004032": "acts_upstream_of_or_within_positive_effect",
        "RO:0004033": "acts_upstream_of_or_within_negative_effect",
    },
    "C": {
        "BFO:0000050": "part_of",
        "RO:0001025": "located_in",
        "RO:0002432": "is_active_in",
        "RO:0002325": "colocalizes_with",
    },
}
RELATIONS = {key: name for table in _RELATIONS.values() for key, name in table.items()}
ASPECTS = {name: aspect for aspect, table in _RELATIONS.items() for name in table.values()}
_DATE = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)(T.*)?", re.ASCII)


class Annotation(NamedTuple):
    """One row of an annotation file, or of a table of one's own.

    Attributes:
        subject: What is annotated: a gene or its product, without the name of the database.
        term: The term, as the file has it.
        relation: How the subject is related to the term, such as "enables"; "" if that is not said.
        negated: Whether the file says NOT.
        evidence: The code of the evidence, such as "IDA", or an ECO id that stands for no code.
        aspect: "F", "P" or "C", for molecular function, biological process and cellular component.
        taxon: The number of the species in the taxonomy of the NCBI; GPAD files do not say it.
        date: When the annotation was made.
        database: Where the subject is from.
        reference: Where the evidence is from.
        assigned_by: Who made the annotation.
        form: The form of the subject that it is about, such as an isoform, if the file says one.
    """

    subject: str
    term: str
    relation: str = ""
    negated: bool = False
    evidence: str = ""
    aspect: str = ""
    taxon: str = ""
    date: date | None = None
    database: str = ""
    reference: str = ""
    assigned_by: str = ""
    form: str = ""


def gaf(cells: list[str], version: str) -> Annotation:
    """The row of a GAF file."""
    _check_width(cells, 15, 17)
    _required(
        cells, {0: "a database", 1: "a subject", 4: "a term", 6: "an evidence code", 12: "a taxon"}
    )
    relation, negated = _qualifier(cells[3])
    if version == "2.2" and not relation:
        raise ValueError(f"expected a relation, as in GAF 2.2, got {cells[3]!r}; mend the row")
    if cells[8] not in ("F", "P", "C"):
        raise ValueError(f"expected an aspect F, P or C, got {cells[8]!r}; mend the row")
    return Annotation(
        subject=cells[1],
        term=cells[4],
        relation=relation,
        negated=negated,
        evidence=_code(cells[6]),
        aspect=cells[8],
        taxon=cells[12].partition("|")[0].rpartition(":")[2],
        date=_day(cells[13]),
        database=cells[0],
        reference=cells[5],
        assigned_by=cells[14],
        form="".join(x for x in cells[16:] if x != f"{cells[0]}:{cells[1]}"),
    )


def gpad(eco: Mapping[str, str]) -> Parse:
    """What reads the row of a GPAD file, with a table of ECO ids."""

    def parse(cells: list[str], version: str) -> Annotation:
        _check_width(cells, 10, 12)
        if version == "2.0":
            database, colon, subject = cells[0].partition(":")
            if not (database and colon and subject):
                raise ValueError(f"expected DATABASE:SUBJECT, got {cells[0]!r}; mend the row")
            relation, negated = cells[2], _negation(cells[1])
            _required(cells, {2: "a relation"})
        else:
            database, subject = cells[:2]
            relation, negated = _qualifier(cells[2])
            _required(cells, {0: "a database", 1: "a subject"})
        _required(cells, {3: "a term"})
        relation = RELATIONS.get(relation, relation)
        return Annotation(
            subject=subject,
            term=cells[3],
            relation=relation,
            negated=negated,
            evidence=_evidence(cells, eco),
            aspect=ASPECTS.get(relation, ""),
            date=_day(cells[8]),
            database=database,
            reference=cells[4],
            assigned_by=cells[9],
        )

    return parse


def _evidence(cells: list[str], eco: Mapping[str, str]) -> str:
    if not cells[5].startswith("ECO:"):
        raise ValueError(f"expected an ECO id, got {cells[5]!r}; mend the row")
    for part in cells[11].split("|") if len(cells) > 11 else ():
        name, _, value = part.partition("=")
        if name.strip() == "go_evidence":
            return _code(value.strip())
    return eco.get(cells[5], cells[5])


def _code(text: str) -> str:
    if text not in CODES:
        raise ValueError(f"expected an evidence code, got {text!r}; mend the row")
    return text


def _qualifier(text: str) -> tuple[str, bool]:
    """The relation of a qualifier, "" if there is none, and whether it is negated."""
    parts = [part.strip().lower() for part in text.split("|")]
    relations = [part for part in parts if part not in ("", "not")]
    if len(relations) > 1:
        raise ValueError(f"expected one relation, with NOT| or without, got {text!r}")
    # Some files write acts_upstream_of,_positive_effect.
    relation = relations[0].replace(" ", "_").replace(",_", "_") if relations else ""
    return relation, "not" in parts


def _negation(text: str) -> bool:
    """Whether a cell of its own says NOT."""
    if text.upper() not in ("", "NOT"):
        raise ValueError(f"expected NOT or nothing, got {text!r}")
    return bool(text)


def _required(cells: list[str], names: Mapping[int, str]) -> None:
    """Raise if one of the cells is empty."""
    empty = next((name for i, name in names.items() if not cells[i]), None)
    if empty is not None:
        raise ValueError(f"expected {empty}, got an empty cell; mend the row")


def _check_width(cells: list[str], least: int, most: int) -> None:
    """Raise unless a row has as many cells as it must."""
    if not least <= len(cells) <= most:
        raise ValueError(
            f"expected {most} cells between tabs, or {least} at least if those after are empty, "
            f"got {len(cells)}; mend the row"
        )


@lru_cache(4096)
def _day(text: str) -> date:
    """A date, with hyphens or without, and without its time."""
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(f"expected a date as YYYYMMDD or YYYY-MM-DD, got {text!r}")
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError as error:
        raise ValueError(f"expected a date of the calendar, got {text!r}") from error
