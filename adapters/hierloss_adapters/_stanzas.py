"""The stanzas of an OBO file, checked line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hierloss import HierarchyError
from hierloss_adapters._files import Source, at

Edge = tuple[str, str, str]
Terms = dict[str, dict[str, list[str]]]
Clause = tuple[int, str, str]

_ID = r"(?:[^\s!\\]|\\[^\sWnt])+"
_MODIFIER = r'\{(?:"(?:\\.|[^"\\])*"|[^"{}])*\}'
_FORMS = {
    **dict.fromkeys(("id", "alt_id", "is_a", "replaced_by", "consider"), ("ID", _ID)),
    **dict.fromkeys(("namespace", "default-namespace"), ("NAME", ".+?")),
    "name": ("NAME", ".*?"),
    "relationship": ("RELATION ID", f"{_ID} {_ID}"),
    "is_obsolete": ("true", "(?i:true|false)"),
}
_PATTERNS = {
    tag: re.compile(rf"({form})(?: {_MODIFIER})?(?: !.*)?") for tag, (_, form) in _FORMS.items()
}
_ONCE = ("id", "is_obsolete", "name", "namespace", "default-namespace")
_SKIPPED = ("[Typedef]", "[Instance]", "[Annotation]", "[Formula]")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}


def _bare(tag: str) -> str:
    """What is left of a tag without what is easily mistaken."""
    return tag.lower().replace("_", "").replace("-", "").replace(" ", "").removesuffix("s")


_MEANT = {_bare(tag): tag for tag in _FORMS}


class Scan(NamedTuple):
    """What the lines say, and those of the terms that say it.

    The terms have plain values for each tag, lines and edges tell where terms and edges are. The
    text is as in the file but for runs of blanks, and for modifiers in which a brace is quoted.
    """

    terms: Terms
    lines: dict[str, int]
    edges: dict[Edge, int]
    header: dict[str, str]
    text: list[str]


class _Stanza(NamedTuple):
    line: int
    kind: str
    lines: list[tuple[int, str]]


def scan(path: Source, lines: Iterable[str]) -> Scan:
    """The terms of a file; blank lines and comments mean nothing, other stanzas are skipped."""
    found = Scan({}, {}, {}, {}, [])
    for stanza in _stanzas(path, lines):
        clauses = [_split(path, stanza.kind, *line) for line in stanza.lines]
        _check_once(path, clauses, ("id",) if stanza.kind in _SKIPPED else _ONCE)
        if stanza.kind == "[Term]":
            _add_term(path, stanza.line, clauses, found)
        elif stanza.kind == "header":
            _add_header(path, clauses, found)
    if not found.terms:
        raise HierarchyError(f"{path}: expected at least one [Term], got none; is it an OBO file?")
    return found


def plain(text: str) -> str:
    """The text without its backslash escapes."""
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), text)


def _stanzas(path: Source, lines: Iterable[str]) -> Iterator[_Stanza]:
    stanza = _Stanza(1, "header", [])
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line.startswith("["):
            yield stanza
            stanza = _Stanza(number, _kind(path, number, line), [])
        elif line and line[0] != "!":
            stanza.lines.append((number, line))
    yield stanza


def _kind(path: Source, number: int, line: str) -> str:
    kind = line.partition("!")[0].rstrip()
    if kind != "[Term]" and kind not in _SKIPPED:
        known = ", ".join(_SKIPPED)
        raise at(path, number, f"expected [Term], {known}, got {line!r}; mend or remove the stanza")
    return kind


def _split(path: Source, kind: str, number: int, line: str) -> Clause:
    tag, colon, text = line.partition(":")
    if kind not in _SKIPPED and (not colon or line.endswith("\\")):
        problem = f"expected 'tag: value' on one line, got {line!r}; join what belongs together"
        raise at(path, number, problem)
    tag = tag.rstrip()
    meant = tag if tag in _FORMS else _MEANT.get(_bare(tag), tag)
    if meant != tag:
        raise at(path, number, f"expected the tag {meant!r}, got {tag!r}; mend its spelling")
    return number, tag, text


def _check_once(path: Source, clauses: Iterable[Clause], tags: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for line, tag, _ in clauses:
        if tag in tags and first.setdefault(tag, line) != line:
            raise at(
                path,
                line,
                f"expected one {tag!r} in a stanza, got a second after that of line {first[tag]}; "
                "take one away, or begin a new stanza with [Term]",
            )


def _values(path: Source, clauses: Iterable[Clause]) -> Iterator[tuple[int, str, str, str]]:
    """The clauses that are read: line, tag, plain value, and the line for obonet."""
    for line, tag, text in clauses:
        if tag in _PATTERNS:
            text = " ".join(text.split())
            value = _value(path, line, tag, text)
            # obonet knows no modifier with a quoted brace.
            own = value if text.count("{") + text.count("}") > 2 else text
            yield line, tag, plain(value), f"{tag}: {own}"


def _value(path: Source, line: int, tag: str, text: str) -> str:
    found = _PATTERNS[tag].fullmatch(text)
    if found is None:
        raise at(
            path,
            line,
            f"expected '{tag}: {_FORMS[tag][0]}' and perhaps ' {{...}}' and ' ! comment', "
            f"got '{tag}: {text}'; mend the blanks, and write \\! for a ! that is no comment",
        )
    return found[1]


def _add_header(path: Source, clauses: Iterable[Clause], found: Scan) -> None:
    for line, tag, value, _ in _values(path, clauses):
        if tag == "id":
            raise at(path, line, f"expected [Term] before the first id, got {value!r}; add it")
        found.header[tag] = value


def _add_term(path: Source, start: int, clauses: Iterable[Clause], found: Scan) -> None:
    values = list(_values(path, clauses))
    name, line = next(((value, line) for line, tag, value, _ in values if tag == "id"), ("", 0))
    if not line:
        raise at(path, start, "expected a term with an id, got one without; add 'id: ...' to it")
    if found.lines.setdefault(name, line) != line:
        raise at(
            path,
            line,
            f"expected terms with different ids, got {name!r} again after line "
            f"{found.lines[name]}; merge the two",
        )
    found.text.extend(("", "[Term]", *(own for *_, own in values)))
    term = found.terms[name] = {}
    for line, tag, value, _ in values:
        term.setdefault(tag, []).append(value)
        if tag in ("is_a", "relationship"):
            relation, parent = ("is_a", value) if tag == "is_a" else value.split(" ")
            found.edges.setdefault((name, relation, parent), line)
