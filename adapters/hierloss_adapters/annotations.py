"""Annotations of genes and their products with terms of an ontology: GAF and GPAD files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from hierloss import Hierarchy
from hierloss_adapters._annotation import CODES, ECO, Annotation, gaf, gpad
from hierloss_adapters._annotation_rows import Format, OnMalformed, rows, wanted
from hierloss_adapters._annotation_target import (
    Labels,
    OnUnknown,
    Report,
    Sorted,
    Unannotated,
    check_unknown,
    target_of,
)
from hierloss_adapters._files import Source, at, stream_lines

__all__ = [
    "EXPERIMENTAL",
    "Annotation",
    "Labels",
    "Report",
    "read_eco",
    "read_gaf",
    "read_gpad",
    "to_target",
]

EXPERIMENTAL = frozenset(
    ["EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "HTP", "HDA", "HMP", "HGI", "HEP"]
)
"""The evidence codes of experiments, those of high throughput among them.

CAFA has also counted TAS and IC: ``EXPERIMENTAL | {"TAS", "IC"}``.
"""


def read_gaf(
    path: Source,
    *,
    evidence: Iterable[str] | None = None,
    aspects: Iterable[str] | None = None,
    relations: Iterable[str] | None = None,
    version: str | None = None,
    on_malformed: OnMalformed = "raise",
    encoding: str = "utf-8",
) -> Iterator[Annotation]:
    r"""Read the annotations of a GAF file, version 2.0, 2.1 or 2.2, one line at a time.

    Negated annotations and those without data are among them; `to_target` knows what to do with
    them. Cells that are empty at the end of a row may be missing, and the relation before
    version 2.2.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        evidence: The evidence codes to take, such as `EXPERIMENTAL`; all by default.
        aspects: The aspects to take, of "F", "P" and "C", or of the namespaces that these are.
        relations: The relations to take, such as "enables"; "" for rows that say none, which are an
            error otherwise.
        version: The version of a file whose header does not say it.
        on_malformed: "raise", or "drop" to leave out malformed rows, with a warning at the end that
            counts them.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A row is malformed, as the message says with its line, or no version is
            given.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> cells = "DB P1 ABC enables GO:0005515 PMID:1 IPI - F - - protein taxon:9606 20180119 DB"
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.gaf")
        ...     _ = path.write_text("!gaf-version: 2.2\n" + cells.replace(" ", "\t"))
        ...     [row] = read_gaf(path)
        >>> row.subject, row.relation, row.term, row.evidence, row.taxon, str(row.date)
        ('P1', 'enables', 'GO:0005515', 'IPI', '9606', '2018-01-19')
    """
    form = Format(("gaf-version",), ("2.2", "2.1", "2.0"), gaf)
    choice = wanted(evidence, aspects, relations)
    return rows(path, form, choice, version, on_malformed, encoding)


def read_gpad(
    path: Source,
    *,
    evidence: Iterable[str] | None = None,
    aspects: Iterable[str] | None = None,
    relations: Iterable[str] | None = None,
    eco: Mapping[str, str] | None = None,
    version: str | None = None,
    on_malformed: OnMalformed = "raise",
    encoding: str = "utf-8",
) -> Iterator[Annotation]:
    r"""Read the annotations of a GPAD file, version 1.0, 1.1, 1.2 or 2.0, one line at a time.

    Relations get the names that GAF files have, and `aspect` is that of the relation, as GPAD has
    no column for it. So do ECO ids get their evidence codes: that which a row says itself
    (``go_evidence=``), else that of `eco`, else that of the table by which GO writes GPAD. There
    are hundreds of narrower ids; one that is in no table stays as it is, and is an error where
    evidence is chosen.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        evidence: The evidence codes to take, and ECO ids that have none; all by default.
        aspects: The aspects to take, of "F", "P" and "C", or of the namespaces that these are.
        relations: As in `read_gaf`.
        eco: The evidence codes of further ECO ids, see `read_eco`.
        version: The version of a file whose header does not say it.
        on_malformed: As in `read_gaf`.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A row is malformed, as the message says with its line, or no version is
            given.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> cells = "DB:P1 NOT RO:0002327 GO:0005515 PMID:1 ECO:0000353 - - 2018-01-19 DB"
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.gpad")
        ...     _ = path.write_text("!gpad-version: 2.0\n" + cells.replace(" ", "\t"))
        ...     [row] = read_gpad(path)
        >>> row.subject, row.negated, row.relation, row.aspect, row.evidence
        ('P1', True, 'enables', 'F', 'IPI')
    """
    tags, versions = ("gpad-version", "gpa-version"), ("2.0", "1.2", "1.1", "1.0")
    form = Format(tags, versions, gpad({**ECO, **(eco or {})}))
    choice = wanted(evidence, aspects, relations)
    return rows(path, form, choice, version, on_malformed, encoding)


def read_eco(path: Source, *, encoding: str = "utf-8") -> dict[str, str]:
    r"""Read the evidence code of each ECO id from ``gaf-eco-mapping-derived.txt``.

    The Evidence and Conclusion Ontology publishes the file. An id that it gives two codes is left
    out.

    Raises:
        HierarchyError: A line is not an ECO id and an evidence code.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "gaf-eco-mapping-derived.txt")
        ...     _ = path.write_text("# comment\nECO:0006075\tIPI\t\nECO:0000353\tIPI\tDefault\n")
        ...     read_eco(path)
        {'ECO:0006075': 'IPI', 'ECO:0000353': 'IPI'}
    """
    found: dict[str, str] = {}
    twice = set()
    for number, line in stream_lines(path, encoding):
        if line.strip() and not line.startswith("#"):
            key, _, rest = line.partition("\t")
            code = rest.partition("\t")[0].strip()
            if not key.startswith("ECO:") or code not in CODES:
                raise at(
                    path, number, f"expected an ECO id, a tab and a code, got {line.strip()!r}"
                )
            if found.setdefault(key, code) != code:
                twice.add(key)
    return {key: code for key, code in found.items() if key not in twice}


def to_target(
    annotations: Iterable[Annotation],
    hierarchy: Hierarchy,
    *,
    subjects: Iterable[str] | None = None,
    unannotated: Unannotated = "negative",
    on_unknown: OnUnknown = "raise",
    sparse: bool = False,
) -> Labels:
    """Targets from annotations, closed upward, with a report of what became of each annotation.

    Negated annotations and those without data (ND) make nothing positive, nor do their ancestors.
    A term that has become an alias counts for its class.

    Args:
        annotations: The annotations, such as those of `read_gaf`.
        hierarchy: The classes. One of a single namespace needs annotations of its aspect only.
        subjects: The subjects of the rows, in order, with or without annotations. By default those
            that have one, in the order of the annotations.
        unannotated: What a class is that nothing is said of: "negative", or "unknown": -1 in a
            target of int8. Then a class that is negated, and every descendant of it, is 0: what a
            NOT denies, it denies of what lies below. A NOT of a positive class counts for nothing,
            and one of a single form of the subject denies nothing; both are reported.
        on_unknown: "raise" if a term is no class, whatever its annotation says, or "drop" to leave
            out its annotations.
        sparse: Return a sparse target, which takes memory for the positives only; it takes
            ``unannotated="negative"``.

    Shape:
        The target is `(subjects, n)`.

    Raises:
        UnknownClassError: Terms are no classes, and `on_unknown` is "raise".
        HierarchyError: Two databases have a subject of the same name.
        TypeError: The annotations are a path, or are none.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> rows = [Annotation("P1", "a/b"), Annotation("P1", "a/c", negated=True)]
        >>> target, subjects, report = to_target(rows, h)
        >>> target, subjects
        (tensor([[ True,  True, False]]), ('P1',))
        >>> report.used, report.negated
        (1, {'a/c': 1})
    """
    _check_choice(unannotated, on_unknown, sparse)
    if isinstance(annotations, (str, os.PathLike)):
        path = os.fspath(annotations)
        raise TypeError(
            f"expected annotations, got the path {path!r}; read the file by read_gaf or read_gpad"
        )
    found = Sorted(hierarchy, subjects)
    for row in annotations:
        if not isinstance(row, Annotation):
            raise TypeError(
                f"expected annotations, got {row!r}; write Annotation(subject, term) around them"
            )
        found.add(row)
    if on_unknown == "raise":
        check_unknown(found.unknown, "annotations")
    said = found.positive if unannotated == "negative" else {**found.positive, **found.denied}
    names = tuple(said if found.asked is None else found.asked)
    if sparse:
        target = hierarchy.encode((found.positive.get(x, ()) for x in names), sparse=True)
    else:
        target = target_of(found, names, unannotated)
    return Labels(target, names, found.report())


def _check_choice(unannotated: str, on_unknown: str, sparse: bool) -> None:
    if unannotated not in ("negative", "unknown"):
        raise ValueError(f"expected unannotated 'negative' or 'unknown', got {unannotated!r}")
    if on_unknown not in ("raise", "drop"):
        raise ValueError(f"expected on_unknown 'raise' or 'drop', got {on_unknown!r}")
    if sparse and unannotated == "unknown":
        raise ValueError("expected sparse=False with unannotated='unknown', got sparse=True")
