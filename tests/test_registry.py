"""The registry of the paper's data sets: Table I as printed and as it is."""

from __future__ import annotations

import re

import pytest

from hierloss.paper.registry import Entry, entries, entry

FUNCTIONAL = ("cellcycle", "derisi", "eisen", "expr", "gasch1", "gasch2", "seq", "spo")
OTHERS = ("Diatoms", "Enron", "ImCLEF07A", "ImCLEF07D")
ROOTS = {"FUN": 0, "GO": 3}

every = pytest.mark.parametrize("name", entries())


def group(one: Entry) -> str:
    return one.name.partition("_")[2]


def test_the_names_in_the_order_of_the_paper() -> None:
    functional = [f"{name}_{taxonomy}" for taxonomy in ("FUN", "GO") for name in FUNCTIONAL]
    assert tuple(entries()) == (*functional, *OTHERS)
    assert [one.title for one in entries().values()] == [
        x.upper().replace("_", " ") for x in entries()
    ]


def test_an_unknown_name_is_an_error_with_a_hint() -> None:
    with pytest.raises(ValueError, match="got 'gash2_FUN'; did you mean 'gasch2_FUN'"):
        entry("gash2_FUN")


@every
def test_files_have_blob_ids(name: str) -> None:
    one = entry(name)
    splits = ("test", "train") if name in OTHERS else ("test", "train", "valid")
    assert tuple(sorted(one.files)) == splits
    for split, file in one.files.items():
        assert split in file.name.lower()
        assert file.path.endswith(f"/{file.name}")
        assert re.fullmatch("[0-9a-f]{40}", file.blob)


def test_no_two_files_are_the_same() -> None:
    blobs = [file.blob for one in entries().values() for file in one.files.values()]
    assert len(blobs) == len(set(blobs)) == 56


@every
def test_how_the_printed_numbers_come_about(name: str) -> None:
    one = entry(name)
    roots = ROOTS.get(group(one))
    if roots is None:
        assert one.printed.cardinality == round(one.facts.cardinality)
    else:
        assert one.printed.cardinality == cut(one.facts.cardinality + roots, 2)
    closed = one.facts.cardinality + (roots or 0) + 1
    density = closed / (one.facts.classes + (roots or 0) + 1)
    assert one.printed.density in (cut(density, 2), cut(density, 3))


@every
def test_where_the_printed_numbers_differ(name: str) -> None:
    one = entry(name)
    differs = {
        field
        for field in ("classes", "features", "train", "test", "taxonomy", "depth")
        if getattr(one.printed, field) != getattr(one.facts, field)
    }
    expected = {
        "FUN": {"train"} if name == "cellcycle_FUN" else {"train", "test"},
        "GO": {"depth"} | {"cellcycle_GO": {"test"}, "spo_GO": {"classes"}}.get(name, set()),
        "": {"train"} | {"Enron": {"features", "depth"}, "Diatoms": {"depth"}}.get(name, set()),
    }[group(one)]
    assert differs == expected


def cut(x: float, digits: int) -> float:
    return int(x * 10**digits + 1e-9) / 10**digits
