"""The rows of annotation files: their version, what is wanted of them, and what is malformed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from hierloss import HierarchyError
from hierloss._input import _frames_inside
from hierloss_adapters._annotation import ASPECTS, CODES, RELATIONS, Annotation, Parse
from hierloss_adapters._files import Source, at, stream_lines

#: What OBO files call the aspects.
NAMESPACES = {"molecular_function": "F", "biological_process": "P", "cellular_component": "C"}

OnMalformed = Literal["raise", "drop"]


class Format(NamedTuple):
    """The header tags and versions of a format, and what reads the cells of a row."""

    tags: tuple[str, ...]
    versions: tuple[str, ...]
    parse: Parse

    def declared(self, line: str) -> str | None:
        """The version that a header line says, if it does."""
        tag, _, value = line.lstrip("! ").partition(":")
        return value.strip() if tag.strip() in self.tags else None


class Wanted(NamedTuple):
    """Which annotations are wanted; None where all are."""

    evidence: frozenset[str] | None
    aspects: frozenset[str] | None
    relations: frozenset[str] | None

    def take(self, row: Annotation) -> bool:
        """Whether an annotation is wanted; raises if what says so is not known."""
        if self.relations is not None and row.relation not in self.relations:
            if not row.relation:
                raise ValueError(
                    "expected a relation, got none, as GAF 2.0 and 2.1 and GPAD 1 allow; put '' "
                    "among relations to take such rows"
                )
            if row.relation not in ASPECTS:
                more = "name it among relations to take such rows" * (":" in row.relation)
                raise ValueError(
                    f"expected a relation that is known, got {row.relation!r}; "
                    f"{more or 'mend the row'}"
                )
            return False
        if self.aspects is not None and row.aspect not in self.aspects:
            if not row.aspect:
                raise ValueError(
                    f"expected a relation that tells the aspect, got {row.relation!r}; leave "
                    "aspects away"
                )
            return False
        if self.evidence is None or row.evidence in self.evidence:
            return True
        if row.evidence not in CODES:
            raise ValueError(
                f"expected an ECO id whose evidence code is known, got {row.evidence!r}; pass "
                "eco=read_eco(...), or name the id in evidence"
            )
        return False


def wanted(
    evidence: Iterable[str] | None, aspects: Iterable[str] | None, relations: Iterable[str] | None
) -> Wanted:
    """What is wanted, each part checked."""
    codes = _chosen(evidence, "evidence codes")
    names = _chosen(relations, "relations")
    letters = _chosen(aspects, "aspects")
    letters = letters and frozenset(NAMESPACES.get(x, x) for x in letters)
    _check_known([x for x in codes or () if not x.startswith("ECO:")], CODES, "evidence codes")
    _check_known(letters or (), {"F", "P", "C"}, "aspects")
    named = None if names is None else frozenset(RELATIONS.get(x, x) for x in names)
    _check_known([x for x in named or () if ":" not in x], {"", *ASPECTS}, "relations")
    return Wanted(codes, letters, named)


def rows(
    path: Source,
    form: Format,
    choice: Wanted,
    version: str | None,
    on_malformed: OnMalformed,
    encoding: str,
) -> Iterator[Annotation]:
    """The wanted annotations of a file, one line at a time."""
    if on_malformed not in ("raise", "drop"):
        raise ValueError(f"expected on_malformed 'raise' or 'drop', got {on_malformed!r}")
    if version is not None and version not in form.versions:
        raise ValueError(f"expected version {_either(form.versions)}, got {version!r}")
    return _rows(path, form, choice, version, on_malformed, encoding)


def _rows(
    path: Source,
    form: Format,
    choice: Wanted,
    version: str | None,
    on_malformed: OnMalformed,
    encoding: str,
) -> Iterator[Annotation]:
    problems: list[str] = []
    for number, line in stream_lines(path, encoding):
        if line.startswith("!"):
            version = _version(path, number, form, line, version)
        elif line.strip():
            if version is None:
                raise _undeclared(path, number, form)
            try:
                row = form.parse([cell.strip() for cell in line.split("\t")], version)
                taken = choice.take(row)
            except ValueError as error:
                if on_malformed == "raise":
                    raise at(path, number, str(error)) from error
                problems.append(f"line {number}: {error}")
                continue
            if taken:
                yield row
    if version is None:
        raise _undeclared(path, 1, form)
    if problems:
        _warn(path, problems)


def _version(path: Source, number: int, form: Format, line: str, before: str | None) -> str | None:
    declared = form.declared(line)
    if declared is None:
        return before
    if declared not in form.versions:
        raise at(path, number, f"expected version {_either(form.versions)}, got {declared!r}")
    if before not in (None, declared):
        raise at(
            path,
            number,
            f"expected version {before!r} as before, got {declared!r}; leave version away, or "
            "read the parts of the file by themselves",
        )
    return declared


def _undeclared(path: Source, number: int, form: Format) -> HierarchyError:
    return at(
        path,
        number,
        f"expected a header line '!{form.tags[0]}: {form.versions[0]}' before the annotations, got "
        f"none; if you know the version, pass version={_either(form.versions)}",
    )


def _chosen(given: Iterable[str] | None, what: str) -> frozenset[str] | None:
    if isinstance(given, str):
        raise TypeError(f"expected a collection of {what}, got a string; write [{given!r}]")
    return None if given is None else frozenset(given)


def _check_known(given: Iterable[str], known: Iterable[str], what: str) -> None:
    strange = sorted(set(given).difference(known))
    if strange:
        raise ValueError(f"expected {what} among {_either(sorted(known))}, got {strange[0]!r}")


def _either(values: Iterable[str]) -> str:
    return " or ".join(map(repr, values))


def _warn(path: Source, problems: list[str]) -> None:
    shown = "; ".join(problems[:3]) + ("; ..." if problems[3:] else "")
    warnings.warn(
        f"{path}: left out {len(problems)} malformed rows: {shown}", stacklevel=_frames_inside()
    )
