"""The stanzas of an OBO file, checked line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hierloss import HierarchyError
from hierloss_adapters._files import Source, at

Edge = tuple[str, str, str]
Clause = tuple[int, str, str]

_ID = r"((?:[^\s!\\]|\\[^\sWnt])+)"
_FORMS = {
    **dict.fromkeys(("id", "alt_id", "is_a", "replaced_by", "consider"), ("ID", _ID)),
    **dict.fromkeys(("namespace", "default-namespace"), ("NAME", "(.+?)")),
    "relationship": ("RELATION ID", rf"{_ID}\s+{_ID}"),
    "is_obsolete": ("true", "((?i:true|false))"),
}
_PATTERNS = {
    tag: re.compile(rf"\s*{form}(?:\s+\{{.*\}})?(?:\s+!.*)?") for tag, (_, form) in _FORMS.items()
}
_ONCE = ("id", "is_obsolete", "name", "namespace", "default-namespace")
_SKIPPED = ("[Typedef]", "[Instance]", "[Annotation]", "[Formula]")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}


class Scan(NamedTuple):
    """What the lines say, terms and edges each with its line, and a clean text of it."""

    terms: dict[str, int]
    edges: dict[Edge, int]
    header: dict[str, str]
    clean: list[str]


class _Stanza(NamedTuple):
    line: int
    kind: str
    clauses: list[Clause]


def scan(path: Source, lines: Iterable[str]) -> Scan:
    """The terms of a file; blank lines and comments mean nothing, other stanzas are skipped."""
    found = Scan({}, {}, {}, [])
    for stanza in _stanzas(path, lines):
        clauses = list(_clauses(path, stanza))
        if stanza.kind == "[Term]":
            _add_term(path, stanza.line, clauses, found)
        for line, tag, value in clauses if stanza.kind == "header" else ():
            if tag == "id":
                raise at(path, line, f"expected [Term] before the first id, got {value!r}; add it")
            found.header[tag] = value
    if not found.terms:
        raise HierarchyError(f"{path}: expected at least one [Term], got none; is it an OBO file?")
    return found


def plain(text: str) -> str:
    """The text without its backslash escapes."""
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), text)


def _stanzas(path: Source, lines: Iterable[str]) -> Iterator[_Stanza]:
    stanza = _Stanza(1, "header", [])
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line.startswith("["):
            yield stanza
            stanza = _Stanza(number, _kind(path, number, line), [])
        elif line and line[0] != "!" and stanza.kind not in _SKIPPED:
            stanza.clauses.append((number, *_split(path, number, line)))
    yield stanza


def _kind(path: Source, number: int, line: str) -> str:
    kind = line.partition("!")[0].rstrip()
    if kind != "[Term]" and kind not in _SKIPPED:
        known = ", ".join(_SKIPPED)
        raise at(path, number, f"expected [Term], {known}, got {line!r}; mend or remove the stanza")
    return kind


def _split(path: Source, number: int, line: str) -> tuple[str, str]:
    tag, colon, value = line.partition(":")
    if not colon or line.endswith("\\"):
        problem = f"expected 'tag: value' on one line, got {line!r}; join what belongs together"
        raise at(path, number, problem)
    return tag.rstrip(), value


def _clauses(path: Source, stanza: _Stanza) -> Iterator[Clause]:
    """The clauses that matter, without modifiers, comments and escapes."""
    first: dict[str, int] = {}
    for line, tag, text in stanza.clauses:
        if tag in _ONCE and first.setdefault(tag, line) != line:
            raise at(
                path,
                line,
                f"expected one {tag!r} in a stanza, got a second after that of line {first[tag]}; "
                "take one away, or begin a new stanza with [Term]",
            )
        if tag == "name":
            yield line, tag, text.strip()
        elif tag in _PATTERNS:
            yield line, tag, _value(path, line, tag, text)


def _value(path: Source, line: int, tag: str, text: str) -> str:
    found = _PATTERNS[tag].fullmatch(text)
    if found is None:
        raise at(
            path,
            line,
            f"expected '{tag}: {_FORMS[tag][0]}' and perhaps ' {{...}}' and ' ! comment', "
            f"got '{tag}:{text}'; mend the blanks, and write \\! for a ! that is no comment",
        )
    return plain(" ".join(found.groups()))


def _add_term(path: Source, start: int, clauses: list[Clause], found: Scan) -> None:
    ids = [(value, line) for line, tag, value in clauses if tag == "id"]
    if not ids:
        raise at(path, start, "expected a term with an id, got one without; add 'id: ...' to it")
    name, line = ids[0]
    if found.terms.setdefault(name, line) != line:
        raise at(
            path,
            line,
            f"expected terms with different ids, got {name!r} again after line "
            f"{found.terms[name]}; merge the two",
        )
    found.clean.extend(("", "[Term]", *(f"{tag}: {value}" for _, tag, value in clauses)))
    for line, tag, value in clauses:
        if tag in ("is_a", "relationship"):
            relation, parent = ("is_a", value) if tag == "is_a" else value.split(" ")
            found.edges.setdefault((name, relation, parent), line)
