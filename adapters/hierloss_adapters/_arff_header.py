"""The lines, cells and attribute declarations of an ARFF file."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from hierloss_adapters._files import Source, at

Lines = Iterator[tuple[int, str]]
Type = Literal["numeric", "nominal", "classes", "ignored"]

_QUOTED = r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
# The expression sets have attributes such as "0point02%_MMS": only a blank makes it a comment.
_COMMENT = re.compile(rf"((?<![^\s,{{]){_QUOTED})|(?<!\S)%.*")
_CELL = re.compile(rf"""\s*(?:({_QUOTED})|([^\s'",][^,]*?)|)\s*(,|$)""")
_ATTRIBUTE = re.compile(rf"""({_QUOTED}|[^\s'"]\S*)\s+(\S.*)""")
_SIMPLE: dict[str, Type] = {
    **dict.fromkeys(("numeric", "real", "integer"), "numeric"),
    **dict.fromkeys(("string", "key", "date"), "ignored"),
}
_TYPES = "numeric, {a,b}, binary, string, key, date, hierarchical a,a/b or classes"


class Attribute(NamedTuple):
    """A declaration: the values are those of a nominal attribute, or what its classes are."""

    line: int
    name: str
    type: Type
    values: tuple[str, ...] = ()


class Header(NamedTuple):
    """What stands above the rows.

    `position` is that of the attribute with the classes, where they are asked for; `line` is that
    of @data.
    """

    relation: str
    attributes: tuple[Attribute, ...]
    position: int | None
    line: int


def without_comments(lines: Lines) -> Lines:
    """The lines that say something, without comments and the blanks around them."""
    for number, line in lines:
        if "%" in line:
            line = _COMMENT.sub(lambda found: found[1] or "", line.rstrip("\r\n"))
        line = line.strip()
        if line:
            yield number, line


def cells(text: str) -> list[str]:
    """What is between the commas, without quotes and the blanks around it."""
    if "'" not in text and '"' not in text:
        found = text.split(",")
        return [cell.strip() for cell in found] if " " in text or "\t" in text else found
    found, start, comma = [], 0, ","
    while comma:
        match = _CELL.match(text, start)
        if match is None:
            raise ValueError(
                f"expected a comma between quoted cells, got {text[start : start + 40]!r}; close "
                r"each quote, and write \' for one inside it"
            )
        found.append(unquoted(match[1] or match[2] or ""))
        start, comma = match.end(), match[3]
    return found


def unquoted(text: str) -> str:
    """The text without quotes around it and the backslashes inside them."""
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if re.fullmatch(_QUOTED, text) else text


def read_header(path: Source, lines: Lines, *, labelled: bool = True) -> Header:
    """The declarations; the lines are left where the rows begin."""
    relation, attributes = "", []
    number = 1
    for number, line in lines:
        keyword, *rest = line.split(None, 1)
        if keyword.lower() == "@relation":
            relation = unquoted("".join(rest))
        elif keyword.lower() == "@attribute":
            attributes.append(_attribute(path, number, "".join(rest)))
        elif line.lower() == "@data":
            position = _position(path, number, attributes) if labelled else None
            return Header(relation, _renamed(attributes), position, number)
        else:
            problem = f"expected @relation, @attribute or @data, got {_short(line)}; mend the line"
            raise at(path, number, problem)
    raise at(path, number, "expected @data and rows below it, got the end of the file; add them")


def _attribute(path: Source, number: int, text: str) -> Attribute:
    found = _ATTRIBUTE.fullmatch(text)
    if found is None:
        problem = f"expected '@attribute NAME TYPE', got {_short(text)} after @attribute"
        raise at(path, number, f"{problem}; a name with blanks needs quotes")
    name, declared = unquoted(found[1]), found[2]
    word, *rest = declared.split(None, 1)
    word = word.lower()
    try:
        if declared.startswith("{"):
            return Attribute(number, name, "nominal", _values(declared))
        if word == "hierarchical":
            return Attribute(number, name, "classes", _distinct_classes(rest))
    except ValueError as error:
        raise at(path, number, str(error)) from error
    if word == "binary" and not rest:
        return Attribute(number, name, "nominal", ("1", "0"))
    if word == "classes" and not rest:
        return Attribute(number, name, "classes")
    if word not in _SIMPLE or (rest and word != "date"):
        problem = f"expected the type of {name!r} to be {_TYPES}, got {_short(declared)}"
        raise at(path, number, f"{problem}; leave the attribute out, or mend its type")
    return Attribute(number, name, _SIMPLE[word])


def _values(declared: str) -> tuple[str, ...]:
    if not declared.endswith("}"):
        raise ValueError(f"expected values to end with }}, got {_short(declared)}; close them")
    values = tuple(cells(declared[1:-1]))
    twice, count = Counter(values).most_common(1)[0]
    if not all(values) or count > 1:
        what = f"{twice!r} {count} times" if count > 1 else "an empty one"
        raise ValueError(f"expected values that differ, none empty, got {what}; take it away")
    return values


def _distinct_classes(rest: Sequence[str]) -> tuple[str, ...]:
    classes = tuple(dict.fromkeys(cells(rest[0]))) if rest else ()
    if not classes:
        raise ValueError("expected classes after 'hierarchical', got none; list them")
    return classes


def _position(path: Source, number: int, attributes: Iterable[Attribute]) -> int:
    found = [(i, x) for i, x in enumerate(attributes) if x.type == "classes"]
    if not found:
        problem = "expected an attribute of type 'hierarchical' above @data, got none; declare it"
        raise at(path, number, problem)
    if len(found) > 1:
        first, second = found[0][1], found[1][1]
        problem = f"expected one attribute with classes, got {second.name!r} after {first.name!r}"
        raise at(path, second.line, f"{problem}; take one of them away")
    return found[0][0]


def _renamed(attributes: Sequence[Attribute]) -> tuple[Attribute, ...]:
    """The attributes, those of one name as name-1, name-2 and so on, as Clus has them."""
    counts = Counter(x.name for x in attributes)
    free = {name: _numbered(name, counts) for name, count in counts.items() if count > 1}
    return tuple(x._replace(name=next(free[x.name])) if x.name in free else x for x in attributes)


def _numbered(name: str, taken: Collection[str]) -> Iterator[str]:
    return (x for x in (f"{name}-{i}" for i in itertools.count(1)) if x not in taken)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
