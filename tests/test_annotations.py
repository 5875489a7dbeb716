"""GAF and GPAD files, and the targets that are made of them."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import strategies as hl
from hierloss import Hierarchy, HierarchyError, HybridLoss, UnknownClassError
from hierloss_adapters._annotation import CODES, ECO
from hierloss_adapters.annotations import (
    EXPERIMENTAL,
    Annotation,
    read_eco,
    read_gaf,
    read_gpad,
    to_target,
)

Write = Callable[..., Path]


def gaf(*rows: str, version: str = "2.2") -> str:
    """A GAF file of rows 'subject qualifier term evidence aspect', and a date if it is written."""
    lines = [f"!gaf-version: {version}", "!generated-by: X"]
    for row in rows:
        subject, relation, term, evidence, aspect, *rest = row.split(" ")
        made = rest[0] if rest else "20200131"
        cells = ["DB", subject, "s", relation, term, "PMID:1", evidence, "", aspect]
        lines.append("\t".join([*cells, "", "", "protein", "taxon:9606", made, "Z", "", ""]))
    return "\n".join(lines) + "\n"


def gpad2(*rows: str) -> str:
    """A GPAD 2.0 file of rows 'subject negation relation term evidence properties'."""
    lines = ["!gpad-version: 2.0"]
    for row in rows:
        subject, negation, relation, term, eco, properties = row.split(" ")
        cells = [subject, negation, relation, term, "PMID:1", eco, "", ""]
        lines.append("\t".join([*cells, "2018-01-19", "Z", "", properties]))
    return "\n".join(lines) + "\n"


def gpad1(*rows: str, version: str = "1.1") -> str:
    """A GPAD 1 file of rows 'subject qualifier term evidence properties'."""
    lines = [f"!gpa-version: {version}"]
    for row in rows:
        subject, relation, term, eco, properties = row.split(" ")
        cells = ["DB", subject, relation, term, "PMID:1", eco, "", "", "20180119", "Z", ""]
        lines.append("\t".join([*cells, properties]))
    return "\n".join(lines) + "\n"


def test_a_row_of_gaf(write: Write) -> None:
    cells = (
        "MGI|MGI:12|Abc|NOT^contributes_to|GO:0001|MGI:1^PMID:2|IMP|MGI:3^MGI:4|F|name|a^b|gene|"
        "taxon:10090^taxon:1280|20091231|UniProt|part_of(CL:1)|UniProtKB:P1-2"
    )
    row = cells.replace("|", "\t").replace("^", "|")
    path = write("!gaf-version: 2.2\n" + row + "\n", "a.gaf")
    assert list(read_gaf(path)) == [
        Annotation(
            "MGI:12", "GO:0001", "contributes_to", True, "IMP", "F", "10090", date(2009, 12, 31),
            "MGI", "MGI:1|PMID:2", "UniProt", "UniProtKB:P1-2",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "relation", "negated"),
    [
        ("enables", "enables", False),
        ("NOT|enables", "enables", True),
        ("not|Contributes_to", "contributes_to", True),
        ("colocalizes_with|NOT", "colocalizes_with", True),
        ("NOT", "", True),
        ("NOT|", "", True),
        ("", "", False),
    ],
)
def test_qualifiers(write: Write, written: str, relation: str, negated: bool) -> None:
    for version in ("2.0", "2.1"):
        [row] = read_gaf(write(gaf(f"P1 {written} GO:1 IDA F", version=version)))
        assert (row.relation, row.negated) == (relation, negated)
    [row] = read_gpad(write(gpad1(f"P1 {written} GO:1 ECO:0000314 ")))
    assert (row.relation, row.negated) == (relation, negated)
    path = write(gaf(f"P1 {written} GO:1 IDA F"))
    if relation:
        assert [(x.relation, x.negated) for x in read_gaf(path)] == [(relation, negated)]
    else:
        with pytest.raises(HierarchyError, match=r"line 3: expected a relation, as in GAF 2.2"):
            list(read_gaf(path))


def test_compressed_files_and_other_line_ends(write: Write) -> None:
    text = gaf("P1 enables GO:1 IDA F", "P2 enables GO:1 IDA F").replace("\n", "\r\n")
    expected = list(read_gaf(write(text)))
    assert [x.subject for x in expected] == ["P1", "P2"]
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        assert list(read_gaf(write(compress(text.encode())))) == expected


def test_what_is_empty_at_the_end_may_be_missing(write: Write) -> None:
    whole = gaf("P1 enables GO:1 IDA F")
    assert list(read_gaf(write(whole.replace("Z\t\t", "Z")))) == list(read_gaf(write(whole)))
    whole = gpad1("P1 enables GO:1 ECO:0000314 ")
    assert list(read_gpad(write(whole.replace("Z\t\t", "Z")))) == list(read_gpad(write(whole)))


def test_the_version_may_come_late_and_again_but_not_another(write: Write) -> None:
    rows = gaf("P1 enables GO:1 IDA F")
    path = write("!URL: x\n!\n\n" + rows + rows)
    assert len(list(read_gaf(path))) == 2
    assert len(list(read_gaf(path, version="2.2"))) == 2
    with pytest.raises(HierarchyError, match=r"line 4: expected version '2.2' .* got '2.1'"):
        list(read_gaf(write(rows + gaf(version="2.1"))))
    with pytest.raises(HierarchyError, match=r"line 1: expected version '2.1' .* got '2.2'"):
        list(read_gaf(write(rows), version="2.1"))


def test_a_file_without_a_version_needs_one(write: Write) -> None:
    path = write(gaf("P1  GO:1 IDA F").partition("\n")[2])
    with pytest.raises(HierarchyError, match=r"line 2: .* '!gaf-version: 2.2' .* pass version="):
        list(read_gaf(path))
    with pytest.raises(HierarchyError, match=r"expected a relation, as in GAF 2.2"):
        list(read_gaf(path, version="2.2"))
    assert [x.subject for x in read_gaf(path, version="2.1")] == ["P1"]
    with pytest.raises(HierarchyError, match=r"'!gpad-version: 2.0' before the annotations"):
        list(read_gpad(path))
    with pytest.raises(HierarchyError, match=r"line 1: .* got none"):
        list(read_gaf(write("")))
    for version in ("1.0", "3"):
        with pytest.raises(
            HierarchyError, match=f"version '2.2' or '2.1' or '2.0', got '{version}"
        ):
            list(read_gaf(write(gaf(version=version))))
    with pytest.raises(ValueError, match=r"expected version '2.0' or '1.2'"):
        read_gpad(path, version="3")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tZ\t\t", "", "expected 17 cells between tabs, .* got 14"),
        ("P1\t", "P1\tP1\t", "or 15 at least if those after are empty, got 18"),
        ("\tP1\t", "\t\t", "expected a subject, got an empty cell"),
        ("GO:1", "", "expected a term, got an empty cell"),
        ("IDA", "XYZ", "expected an evidence code, got 'XYZ'"),
        ("IDA", "ECO:0000314", "expected an evidence code"),
        ("\tF\t", "\tM\t", "an aspect F, P or C, got 'M'"),
        ("20200131", "2020-1-31", "a date as YYYYMMDD or YYYY-MM-DD, got '2020-1-31'"),
        ("20200131", "20200231", "a date of the calendar, got '20200231'"),
        ("20200131", "", "expected a date"),
        ("enables", "enables|part_of", r"one relation, with NOT\| or without, got 'enables\|part"),
    ],
)
def test_malformed_rows(write: Write, old: str, new: str, message: str) -> None:
    good = gaf("P1 enables GO:1 IDA F")
    assert len(list(read_gaf(write(good)))) == 1
    with pytest.raises(HierarchyError, match=rf"x.gaf, line 3: .*{message}"):
        list(read_gaf(write(good.replace(old, new), "x.gaf")))


def test_malformed_rows_may_be_dropped(write: Write) -> None:
    rows = ["P1 enables GO:1 IDA F", "P2 enables GO:1 WHY F", "P3 enables GO:1 IDA Q"]
    path = write(gaf(*rows, "P4 enables GO:1 IDA F"))
    with pytest.warns(UserWarning, match=r"left out 2 malformed rows: line 4: .*line 5"):
        found = list(read_gaf(path, on_malformed="drop"))
    assert [x.subject for x in found] == ["P1", "P4"]
    with pytest.raises(ValueError, match="on_malformed 'raise' or 'drop', got 'skip'"):
        read_gaf(path, on_malformed="skip")


def test_rows_are_read_as_they_are_asked_for(write: Write) -> None:
    rows = read_gaf(write(gaf("P1 enables GO:1 IDA F", "P2 enables GO:1 WHY F")))
    assert next(rows).subject == "P1"
    with pytest.raises(HierarchyError, match="line 4"):
        next(rows)


def test_choosing(write: Write) -> None:
    path = write(
        gaf(
            "P1 enables GO:1 IDA F",
            "P2 NOT|contributes_to GO:1 IEA F",
            "P3 involved_in GO:1 HMP P",
            "P4 located_in GO:1 ND C",
        )
    )

    def chosen(**options: object) -> str:
        return "".join(x.subject[1] for x in read_gaf(path, **options))

    assert chosen() == "1234"
    assert chosen(evidence=EXPERIMENTAL) == "13"
    assert chosen(evidence={"IEA", "ND"}) == "24"
    assert chosen(aspects=["F", "C"]) == "124"
    assert chosen(aspects=["molecular_function", "cellular_component"]) == "124"
    assert chosen(relations=["contributes_to", "RO:0002331"]) == "23"
    assert chosen(aspects=["F"], evidence=EXPERIMENTAL) == "1"
    assert chosen(evidence=[]) == ""


def test_choosing_relations_where_none_is_said(write: Write) -> None:
    rows = ["P1  GO:1 IDA F", "P2 NOT GO:1 IDA F", "P3 contributes_to GO:1 IDA F"]
    paths = [write(gaf(*rows, version=x), x) for x in ("2.0", "2.1")]
    old = write(gpad1("P1  GO:1 ECO:0000314 ", "P3 contributes_to GO:1 ECO:0000314 "))
    for read, path, silent in [
        (read_gaf, paths[0], ["P1", "P2"]),
        (read_gaf, paths[1], ["P1", "P2"]),
        (read_gpad, old, ["P1"]),
    ]:
        with pytest.raises(HierarchyError, match=r"expected a relation, got none, .* put ''"):
            list(read(path, relations=["contributes_to"]))
        assert [x.subject for x in read(path, relations=[""])] == silent
        assert [x.subject for x in read(path, relations=["contributes_to", ""])] == [*silent, "P3"]
    with pytest.warns(UserWarning, match="left out 2 malformed rows"):
        found = list(read_gaf(paths[0], relations=["contributes_to"], on_malformed="drop"))
    assert [x.subject for x in found] == ["P3"]


def test_choosing_relations_where_one_is_not_known(write: Write) -> None:
    path = write(gaf("P1 enables GO:1 IDA F", "P2 enabels GO:1 IDA F"))
    assert len(list(read_gaf(path))) == 2
    with pytest.raises(HierarchyError, match=r"line 4: .* known, got 'enabels'; mend the row"):
        list(read_gaf(path, relations=["part_of"]))
    path = write(gpad2("A:B  RO:9 GO:2 ECO:0000315 "))
    with pytest.raises(HierarchyError, match="got 'RO:9'; name it among relations"):
        list(read_gpad(path, relations=["part_of"]))
    assert len(list(read_gpad(path, relations=["RO:9"]))) == 1


def test_relations_with_a_comma(write: Write) -> None:
    path = write(gaf("P1 acts_upstream_of,_positive_effect GO:1 IDA P"))
    assert len(list(read_gaf(path, relations=["acts_upstream_of_positive_effect"]))) == 1


def test_what_one_form_does_not_do_is_not_denied_of_the_subject(write: Write) -> None:
    text = gaf("P1 NOT|enables b IDA F", "P1 NOT|enables c IDA F", "P1 enables a IDA F")
    lines = text.splitlines()
    lines[2] += "DB:P1-2"
    lines[3] += "DB:P1"  # the subject itself
    rows = list(read_gaf(write("\n".join(lines))))
    assert [row.form for row in rows] == ["DB:P1-2", "", ""]
    h = Hierarchy.from_edges([("b", "a"), ("c", "a")])
    target, _, report = to_target(rows, h, unannotated="unknown")
    assert dict(zip(h, target[0].tolist(), strict=True)) == {"a": 1, "b": -1, "c": 0}
    assert report.forms == {"b": 1}
    assert report.negated == {"c": 1}
    assert "1 negated of one form of the subject: b" in str(report)
    positive = [row._replace(negated=False) for row in rows]
    assert to_target(positive, h).target.all()


@pytest.mark.parametrize("read", [read_gaf, read_gpad])
def test_choosing_what_is_not_there_is_an_error(read) -> None:
    with pytest.raises(ValueError, match=r"expected evidence codes among 'EXP' or .* got 'EXPERIM"):
        read("x", evidence=["EXPERIMENTAL"])
    with pytest.raises(TypeError, match=r"expected a collection .* got a string; write \['IDA'\]"):
        read("x", evidence="IDA")
    with pytest.raises(ValueError, match="aspects among 'C' or 'F' or 'P', got 'MF'"):
        read("x", aspects=["MF"])
    with pytest.raises(ValueError, match=r"expected relations among '' or .* got 'involved in'"):
        read("x", relations=["involved in"])


def test_a_row_of_gpad_2(write: Write) -> None:
    path = write(gpad2("MGI:MGI:12 NOT RO:0002331 GO:1 ECO:0000315 id=1", "A:B  RO:9 GO:2 ECO:9 "))
    first, second = read_gpad(path)
    assert first == Annotation(
        "MGI:12",
        "GO:1",
        "involved_in",
        True,
        "IMP",
        "P",
        "",
        date(2018, 1, 19),
        "MGI",
        "PMID:1",
        "Z",
    )
    assert (second.subject, second.relation, second.negated) == ("B", "RO:9", False)
    assert (second.aspect, second.evidence) == ("", "ECO:9")


def test_a_subject_of_gpad_may_be_a_chain(write: Write) -> None:
    rows = [f"UniProtKB:{x}  RO:0002331 GO:1 ECO:0000314 " for x in ("P1-2", "P1:PRO_3")]
    assert [x.subject for x in read_gpad(write(gpad2(*rows)))] == ["P1-2", "P1:PRO_3"]


def test_gpad_1_has_the_same_rows(write: Write) -> None:
    new = read_gpad(write(gpad2("DB:P1 NOT BFO:0000050 GO:1 ECO:0000314 "), "new"))
    old = read_gpad(write(gpad1("P1 NOT|part_of GO:1 ECO:0000314 ", version="1.2"), "old"))
    assert list(new) == list(old)
    draft = gpad2("DB:P1 NOT BFO:0000050 GO:1 ECO:0000314 ").replace("gpad-", "gpa-")
    assert list(read_gpad(write(draft))) == list(read_gpad(write(draft.replace("gpa-", "gpad-"))))


def test_evidence_of_gpad(write: Write) -> None:
    path = write(
        gpad1(
            "P1 enables GO:1 ECO:0000314 ",  # in the table of GO
            "P2 enables GO:1 ECO:0000256 ",  # for some references only
            "P3 enables GO:1 ECO:0001043 id=1|go_evidence=IGI",  # said by the row itself
            "P4 enables GO:1 ECO:0006075 ",
        )
    )
    assert [x.evidence for x in read_gpad(path)] == ["IDA", "IEA", "IGI", "ECO:0006075"]
    with pytest.raises(HierarchyError, match=r"line 5: .* got 'ECO:0006075'; pass eco=read"):
        list(read_gpad(path, evidence=EXPERIMENTAL))
    table = write("# x\nECO:0006075\tIPI\t\nECO:5\tIEA\t\nECO:5\tEXP\t\n", "eco.txt")
    assert read_eco(table) == {"ECO:0006075": "IPI"}
    found = read_gpad(path, evidence=EXPERIMENTAL, eco=read_eco(table))
    assert [(x.subject, x.evidence) for x in found] == [("P1", "IDA"), ("P3", "IGI"), ("P4", "IPI")]
    found = read_gpad(path, evidence=["IGI", "ECO:0006075"])
    assert [x.subject for x in found] == ["P3", "P4"]
    assert [x.subject for x in read_gpad(path, evidence=EXPERIMENTAL, relations=["part_of"])] == []


def test_the_table_of_codes() -> None:
    assert set(ECO.values()) == CODES - {"IMR"}
    assert EXPERIMENTAL < CODES
    assert ECO["ECO:0000307"] == "ND"
    assert all(len(key) == 11 for key in ECO)


def test_eco_files_are_checked(write: Write) -> None:
    for line in ("ECO:1\tNOPE", "IDA\tECO:1", "ECO:1"):
        with pytest.raises(HierarchyError, match="line 2: expected an ECO id, a tab and a code"):
            read_eco(write(f"# x\n{line}\n"))


def test_aspects_of_gpad_are_those_of_relations(write: Write) -> None:
    rows = ["A:1  RO:0002327 GO:1 ECO:9 ", "A:2  RO:0002432 GO:1 ECO:9 ", "A:3  RO:7 GO:1 ECO:9 "]
    path = write(gpad2(*rows[:2]))
    assert [x.subject for x in read_gpad(path, aspects=["C"])] == ["2"]
    with pytest.raises(HierarchyError, match="line 4: expected a relation that tells the aspect"):
        list(read_gpad(write(gpad2(*rows)), aspects=["F"]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DB:P1", "P1", "expected DATABASE:SUBJECT, got 'P1'"),
        ("NOT", "maybe", "expected NOT or nothing, got 'maybe'"),
        ("RO:0002331", "", "expected a relation, got an empty cell"),
        ("GO:1", "", "expected a term, got an empty cell"),
        ("ECO:0000314", "IDA", "expected an ECO id, got 'IDA'"),
        ("2018-01-19", "2018/01/19", "expected a date"),
        ("go_evidence=IDA", "go_evidence=ABC", "expected an evidence code, got 'ABC'"),
        ("\tZ\t\tgo_evidence=IDA", "", "expected 12 cells between tabs, .* got 9"),
    ],
)
def test_malformed_rows_of_gpad(write: Write, old: str, new: str, message: str) -> None:
    good = gpad2("DB:P1 NOT RO:0002331 GO:1 ECO:0000314 go_evidence=IDA")
    assert len(list(read_gpad(write(good)))) == 1
    with pytest.raises(HierarchyError, match=f"line 2: {message}"):
        list(read_gpad(write(good.replace(old, new))))


H = Hierarchy.from_edges(
    [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("e", "d")], names=list("abcde")
).with_aliases({"old": "b"})


def rows(*texts: str) -> list[Annotation]:
    """Annotations from 'subject term evidence', with NOT before the term where it is negated."""
    return [
        Annotation(x.split()[0], x.split()[-2], negated="NOT" in x, evidence=x.split()[-1])
        for x in texts
    ]


def test_targets_are_closed_upward() -> None:
    target, subjects, report = to_target(rows("Q d IDA", "P old IEA", "Q b IMP", "P b IEA"), H)
    assert subjects == ("Q", "P")
    assert target.int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]]
    assert target.dtype == torch.bool
    assert report.used == 4
    assert report.evidence == {"IEA": 2, "IDA": 1, "IMP": 1}
    assert report.mapped == {"old": 1}
    assert str(report) == ("4 annotations used: IEA (2), IDA, IMP\n1 mapped to another name: old")


def test_negated_annotations_and_those_without_data_make_nothing_positive() -> None:
    given = rows("P b IDA", "P NOT d IDA", "P NOT e IDA", "P a ND", "R NOT d IMP", "S a ND")
    target, subjects, report = to_target(given, H)
    assert subjects == ("P",)
    assert target.int().tolist() == [[1, 1, 0, 0, 0]]
    assert report.negated == {"d": 2, "e": 1}
    assert report.no_data == {"a": 2}
    assert report.conflicts == ()
    assert "3 negated: d (2), e\n2 without data: a (2)" in str(report)


def test_a_not_of_what_is_positive_is_reported() -> None:
    given = rows("P d IDA", "P NOT old IDA", "P NOT old IEA", "P NOT e IDA", "Q NOT d IDA")
    target, _, report = to_target(given, H)
    assert target.int().tolist() == [[1, 1, 1, 1, 0]]
    assert report.conflicts == (("P", "b"),)
    assert "1 NOT of what is positive: P b" in str(report)
    assert to_target(rows("P old IDA", "P NOT b IDA"), H).report.conflicts == (("P", "b"),)


def test_known_negatives() -> None:
    given = rows("P b IDA", "P NOT d IDA", "Q NOT c IDA", "Q e IDA", "R NOT old IDA", "R a ND")
    target, subjects, report = to_target(given, H, unannotated="unknown")
    assert subjects == ("P", "Q", "R")
    assert target.dtype == torch.int8
    assert target.tolist() == [[1, 1, -1, 0, 0], [1, 1, 1, 1, 1], [-1, 0, -1, 0, 0]]
    assert report.conflicts == (("Q", "c"),)
    loss = HybridLoss(H)(torch.zeros(3, 5), target)
    assert torch.isfinite(loss)


def test_subjects_that_are_asked_for() -> None:
    given = rows("P b IDA", "Q c IDA", "Z x IDA", "Z b ND")
    target, subjects, report = to_target(given, H, subjects=["Q", "N", "P"])
    assert subjects == ("Q", "N", "P")
    assert target.int().tolist() == [[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert (report.elsewhere, report.bare, report.no_data) == (2, ("N",), {})
    assert "2 of subjects that were not asked for\n1 subjects without: N" in str(report)
    with pytest.raises(HierarchyError, match="got 'P' 2 times"):
        to_target(given, H, subjects=["P", "P"])


def test_unknown_terms_are_named_and_counted() -> None:
    given = rows("P x IDA", "P b IDA", "Q x IDA", "Q y IDA", "Q z ND", "R NOT x IDA")
    message = r"got 5 of 3 others: x \(3\), y, z; .* on_unknown='drop'"
    for unannotated in ("negative", "unknown"):
        with pytest.raises(UnknownClassError, match=message):
            to_target(given, H, unannotated=unannotated)
        _, subjects, report = to_target(given, H, unannotated=unannotated, on_unknown="drop")
        assert subjects == ("P",)
        assert report.unknown == {"x": 3, "y": 1, "z": 1}
        assert (report.used, report.negated, report.no_data) == (1, {}, {})
    assert to_target(given, H, on_unknown="drop").target.int().tolist() == [[1, 1, 0, 0, 0]]


def test_sparse_targets() -> None:
    given = rows("P d IDA", "Q c IDA", "R a ND")
    dense, sparse = to_target(given, H), to_target(given, H, sparse=True)
    assert sparse.target.layout == torch.sparse_coo
    assert torch.equal(sparse.target.to_dense(), dense.target)
    batch = sparse.target.index_select(0, torch.tensor([1, 0])).to_dense()
    assert torch.equal(batch, dense.target.flip(0))
    assert torch.isfinite(HybridLoss(H)(torch.zeros(2, 5), sparse.target))


def test_wrong_input_says_what_was_expected() -> None:
    for path in ("goa.gaf", Path("goa.gaf")):
        with pytest.raises(TypeError, match=r"got the path 'goa.gaf'; read the file by read_gaf"):
            to_target(path, H)
    with pytest.raises(TypeError, match=r"annotations, got \('P', 'b'\); write Annotation"):
        to_target([("P", "b")], H)
    with pytest.raises(ValueError, match="unannotated 'negative' or 'unknown', got 'zero'"):
        to_target([], H, unannotated="zero")
    with pytest.raises(ValueError, match="on_unknown 'raise' or 'drop', got 'skip'"):
        to_target([], H, on_unknown="skip")
    with pytest.raises(ValueError, match="sparse=False with unannotated='unknown'"):
        to_target([], H, unannotated="unknown", sparse=True)
    two = [Annotation("P", "b", database="X"), Annotation("P", "b", database="Y")]
    with pytest.raises(HierarchyError, match="one database each, got 'P' of 'X' and of 'Y'"):
        to_target(two, H)


def test_no_annotations_at_all() -> None:
    target, subjects, report = to_target([], H)
    assert (tuple(target.shape), subjects, report.used) == ((0, 5), (), 0)
    assert str(report) == "0 annotations used"


@given(data=st.data())
def test_targets_equal_sets(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    kinds = st.sampled_from(["IDA", "NOT", "ND"])
    drawn = data.draw(
        st.lists(st.tuples(st.sampled_from("PQR"), st.integers(0, p.n - 1), kinds), max_size=12)
    )
    given = [
        Annotation(s, f"c{i}", negated=kind == "NOT", evidence=kind.replace("NOT", "IDA"))
        for s, i, kind in drawn
    ]
    found = to_target(given, p.hierarchy, subjects=["P", "Q", "R"], unannotated="unknown")
    for subject, row in zip("PQR", found.target.tolist(), strict=True):
        mine = {i for s, i, kind in drawn if s == subject and kind == "IDA"}
        closed = p.closed(mine)
        denied = {i for s, i, kind in drawn if s == subject and kind == "NOT" and not closed[i]}
        below = {j for i in denied for j in p.below[i]}
        expected = [1 if closed[i] else 0 if i in below else -1 for i in range(p.n)]
        assert row == expected
    plain = to_target(given, p.hierarchy, subjects=["P", "Q", "R"])
    assert torch.equal(plain.target, found.target == 1)
    assert torch.equal(p.hierarchy.close(found.target), found.target)
    assert plain.report.conflicts == found.report.conflicts


@pytest.mark.slow
def test_the_gene_ontology(go: Hierarchy, write: Write) -> None:
    generator = torch.Generator().manual_seed(4)
    names = [*go.names, *list(go.aliases)[:2000]]
    picked = torch.randint(len(names), (1000, 4), generator=generator).tolist()
    lines = [f"P{i} NOT|enables {names[row[0]]} IDA F" for i, row in enumerate(picked)]
    lines += [f"P{i} enables {names[k]} IMP F" for i, row in enumerate(picked) for k in row[1:]]
    lines += ["N enables GO:0008150 ND P", "P0 enables GO:0008150 IEA P"]
    path = write(gzip.compress(gaf(*lines).encode()), "go.gaf.gz")
    given = read_gaf(path, evidence=EXPERIMENTAL | {"ND"})
    target, subjects, report = to_target(given, go, sparse=True)
    assert subjects == tuple(f"P{i}" for i in range(1000))
    assert report.used == 3000
    assert sum(report.negated.values()) == 1000
    assert sum(report.mapped.values()) > 50
    assert report.no_data == {"GO:0008150": 1}
    expected = go.encode([[names[k] for k in row[1:]] for row in picked])
    assert torch.equal(target.to_dense(), expected)
