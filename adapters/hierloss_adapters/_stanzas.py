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
_QUOTED = r'"(?:\\.|[^"\\])*"'
_MODIFIER = rf'\{{(?:{_QUOTED}|[^"{{}}])*\}}'
# A name may end in braces of its own.
_NAME_MODIFIER = rf'\{{[^"{{}}]*[^\s"{{}}=,] ?= ?{_QUOTED}(?:{_QUOTED}|[^"{{}}])*\}}'
_FORMS = {
    **dict.fromkeys(("id", "alt_id", "is_a", "replaced_by", "consider"), ("ID", _ID)),
    **dict.fromkeys(("namespace", "default-namespace"), ("NAME", ".+?")),
    "name": ("NAME", ".*?"),
    "relationship": ("RELATION ID", f"{_ID} {_ID}"),
    "is_obsolete": ("true", "(?i:true|false)"),
}
_PATTERNS = {
    tag: re.compile(rf"({form})(?: ({_NAME_MODIFIER if shown == 'NAME' else _MODIFIER}))?(?: !.*)?")
    for tag, (shown, form) in _FORMS.items()
}
_RELATION = {
    **{tag: _PATTERNS[tag] for tag in ("id", "name", "alt_id")},
    "xref": re.compile(rf"({_ID})(?: .*)?"),
}
_QUALIFIER = re.compile(rf'([^\s{{}}=,"]+) ?= ?({_QUOTED}|[^\s{{}},"]*)')
_CONDITIONS = ("gci_relation", "gci_filler")
_ONCE = ("id", "is_obsolete", "name", "namespace", "default-namespace")
_SKIPPED = ("[Typedef]", "[Instance]", "[Annotation]", "[Formula]")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}


def _bare(tag: str) -> str:
    """What is left of a tag without what is easily mistaken."""
    return tag.lower().replace("_", "").replace("-", "").replace(" ", "").removesuffix("s")


_MEANT = {_bare(tag): tag for tag in _FORMS}


class Scan(NamedTuple):
    """What the lines say, and those of the terms that say it.

    Terms and typedefs have plain values for each tag, lines and edges tell where terms and edges
    are. An edge is limited if its modifier takes it back for some members of the term. The text is
    as in the file but for runs of blanks, for modifiers in which a brace is quoted, and for limited
    edges, which it lacks.
    """

    terms: Terms
    typedefs: Terms
    lines: dict[str, int]
    edges: dict[Edge, int]
    limited: dict[Edge, int]
    header: dict[str, str]
    text: list[str]


class _Value(NamedTuple):
    line: int
    tag: str
    value: str
    own: str
    is_limited: bool


class _Stanza(NamedTuple):
    line: int
    kind: str
    lines: list[tuple[int, str]]


def scan(path: Source, lines: Iterable[str]) -> Scan:
    """The terms and relations of a file; blank lines, comments and other stanzas mean nothing."""
    found = Scan({}, {}, {}, {}, {}, {}, [])
    for stanza in _stanzas(path, lines):
        clauses = [_split(path, stanza.kind, *line) for line in stanza.lines]
        _check_once(path, clauses, ("id",) if stanza.kind in _SKIPPED else _ONCE)
        if stanza.kind == "[Term]":
            _add_term(path, stanza.line, clauses, found)
        elif stanza.kind == "[Typedef]":
            _add_typedef(clauses, found)
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


def _values(path: Source, clauses: Iterable[Clause]) -> Iterator[_Value]:
    """The clauses that are read, with plain values, and with the line for obonet."""
    for line, tag, text in clauses:
        if tag in _PATTERNS:
            text = " ".join(text.split())
            value, modifier = _value(path, line, tag, text)
            # obonet knows no modifier with a quoted brace.
            own = value if text.count("{") + text.count("}") > 2 else text
            is_limited = tag in ("is_a", "relationship") and _is_limited(modifier)
            yield _Value(line, tag, plain(value), f"{tag}: {own}", is_limited)


def _value(path: Source, line: int, tag: str, text: str) -> tuple[str, str]:
    found = _PATTERNS[tag].fullmatch(text)
    if found is None:
        raise at(
            path,
            line,
            f"expected '{tag}: {_FORMS[tag][0]}' and perhaps ' {{...}}' and ' ! comment', "
            f"got '{tag}: {text}'; mend the blanks, and write \\! for a ! that is no comment",
        )
    return found[1], found[2] or ""


def _is_limited(modifier: str) -> bool:
    """Whether an edge is not one from each member of the term to some member of the parent."""
    given = {key: value.strip('"') for key, value in _QUALIFIER.findall(modifier)}
    least = given.get("minCardinality", "0" if "maxCardinality" in given else "1")
    only = given.get("all_only") == "true" and given.get("all_some") != "true"
    return given.get("cardinality", least) == "0" or only or any(x in given for x in _CONDITIONS)


def _add_typedef(clauses: Iterable[Clause], found: Scan) -> None:
    typedef: dict[str, list[str]] = {}
    for _, tag, text in clauses:
        value = _RELATION[tag].fullmatch(" ".join(text.split())) if tag in _RELATION else None
        if value:
            typedef.setdefault(tag, []).append(plain(value[1]))
    for name in typedef.get("id", ()):
        found.typedefs[name] = typedef


def _add_header(path: Source, clauses: Iterable[Clause], found: Scan) -> None:
    for line, tag, value, *_ in _values(path, clauses):
        if tag == "id":
            raise at(path, line, f"expected [Term] before the first id, got {value!r}; add it")
        found.header[tag] = value


def _add_term(path: Source, start: int, clauses: Iterable[Clause], found: Scan) -> None:
    values = list(_values(path, clauses))
    name, line = next(((x.value, x.line) for x in values if x.tag == "id"), ("", 0))
    if not line:
        raise at(path, start, "expected a term with an id, got one without; add 'id: ...' to it")
    if found.lines.setdefault(name, line) != line:
        raise at(
            path,
            line,
            f"expected terms with different ids, got {name!r} again after line "
            f"{found.lines[name]}; merge the two",
        )
    found.text.extend(("", "[Term]", *(x.own for x in values if not x.is_limited)))
    term = found.terms[name] = {}
    for line, tag, value, _, is_limited in values:
        term.setdefault(tag, []).append(value)
        if tag in ("is_a", "relationship"):
            relation, parent = ("is_a", value) if tag == "is_a" else value.split(" ")
            edges = found.limited if is_limited else found.edges
            edges.setdefault((name, relation, parent), line)
