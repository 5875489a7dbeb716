"""ICD in ClaML, a few classes of our own in the shape of the real files."""

from __future__ import annotations

import gzip

import pytest

from hierloss import CycleError, HierarchyError
from hierloss_adapters.icd import read_claml

CLAML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<ClaML version="2.0.0">
  <Title name="ICD" version="1">ICD</Title>
  <ClassKinds><ClassKind name="chapter"/><ClassKind name="block"/></ClassKinds>
  <Class code="I" kind="chapter"><SubClass code="A00-A09"/>
    <Rubric kind="preferred"><Label xml:lang="en">Infections</Label></Rubric>
    <Rubric kind="exclusion"><Label xml:lang="en">Others</Label></Rubric></Class>
  <Class code="A00-A09" kind="block"><SuperClass code="I"/><SubClass code="A00"/></Class>
  <Class code="A00" kind="category"><SuperClass code="A00-A09"/>
    <Rubric kind="preferred"><Label xml:lang="en">Due to <Term>some
      vibrio</Term></Label></Rubric></Class>
</ClaML>
"""


def test_claml_by_hand(write) -> None:
    found = read_claml(write(CLAML, "icd.xml"))
    assert found.hierarchy.names == ("I", "A00-A09", "A00")
    assert found.hierarchy.edges == (("A00-A09", "I"), ("A00", "A00-A09"))
    assert found.labels == {"I": "Infections", "A00": "Due to some vibrio"}
    assert found.ranks == {"I": "chapter", "A00-A09": "block", "A00": "category"}
    assert read_claml(write(gzip.compress(CLAML.encode()), "icd.xml.gz")) == found


def test_claml_with_a_namespace(write) -> None:
    text = CLAML.replace("<ClaML ", '<ClaML xmlns="http://www.who.int/claml" ')
    assert read_claml(write(text, "new.xml")) == read_claml(write(CLAML, "icd.xml"))


def test_labels_of_claml(write) -> None:
    def labelled(*rubrics: str) -> str:
        inner = "".join(f'<Rubric kind="preferred">{x}</Rubric>' for x in rubrics)
        return write(f'<C><Class code="A">{inner}</Class></C>', "icd.xml")

    path = labelled("<Label>Abscess<Reference>G07</Reference> of\n it</Label>")
    assert read_claml(path).labels == {"A": "Abscess of it"}
    path = labelled('<Label xml:lang="nl">Koorts</Label><Label xml:lang="en">Fever</Label>')
    assert read_claml(path).labels == {"A": "Koorts"}
    assert read_claml(path, language="en").labels == {"A": "Fever"}
    with pytest.raises(HierarchyError, match=rf"^{path}: expected labels in 'de', got none"):
        read_claml(path, language="de")
    path = labelled("<Label><Reference>G07</Reference></Label>", "<Label>First</Label>", "<Label/>")
    assert read_claml(path).labels == {"A": "First"}
    assert read_claml(labelled("<Label> </Label>")).labels == {}


@pytest.mark.parametrize(
    ("inner", "label"),
    [
        ("<Para>One fever</Para><Para>Or two</Para>", "One fever Or two"),
        ("With<Para>one</Para>more", "With one more"),
        ('<Fragment type="item">a</Fragment><Fragment type="item">b</Fragment>', "a b"),
        ("<List><ListItem>a</ListItem><ListItem><Para>b</Para></ListItem></List>", "a b"),
        ("B<Term>12</Term>, <Para>x<Term>y</Term></Para>", "B12, xy"),
        ("One<!-- or --> fever &amp; &lt;more", "One fever & <more"),
    ],
)
def test_paragraphs_are_apart(write, inner, label) -> None:
    rubric = f'<Rubric kind="preferred"><Label>{inner}</Label></Rubric>'
    assert read_claml(write(f'<C><Class code="A">{rubric}</Class></C>')).labels == {"A": label}


@pytest.mark.parametrize(
    ("links", "edges"),
    [
        ("<SubClass code='B'/><SubClass code='C'/>|<SubClass code='D'/>||", "BA CA DB"),
        ("|<SuperClass code='A'/>|<SuperClass code='A'/>|<SuperClass code='B'/>", "BA CA DB"),
        ("<SubClass code='B'/>|<SuperClass code='A'/>||<SuperClass code='B'/>", "BA DB"),
        ("<SubClass code='C'/>||<SuperClass code='B'/>|", "CA CB"),
    ],
)
def test_classes_above_and_below(write, links, edges) -> None:
    inner = zip("ABCD", links.split("|"), strict=True)
    text = "".join(f'<Class code="{code}">{link}</Class>' for code, link in inner)
    h = read_claml(write(f"<C>{text}</C>")).hierarchy
    assert {child + parent for child, parent in h.edges} == set(edges.split())


def test_cycles_of_claml(write) -> None:
    text = '<C><Class code="A"><SuperClass code="B"/><SubClass code="B"/></Class><Class code="B"/>'
    path = write(f"{text}</C>")
    with pytest.raises(CycleError, match="A -> B -> A"):
        read_claml(path)
    with pytest.warns(UserWarning, match="B -> A"):
        assert read_claml(path, on_cycle="drop").hierarchy.dropped == (("B", "A"),)


def test_claml_that_is_refused(write) -> None:
    with pytest.raises(HierarchyError, match=r"got the URL https://x\.org/icd\.xml; download it"):
        read_claml("https://x.org/icd.xml")

    def refused(text: str, message: str) -> None:
        path = write(text, "icd.xml")
        with pytest.raises(HierarchyError, match=rf"^{path}{message}"):
            read_claml(path)

    refused("<html/>", ", line 1: expected classes, got none in <html>; is it ClaML?")
    refused("<C>\n<Class/></C>", ", line 2: expected a class with a code, got one without; add it")
    refused(
        '<C>\n<Class code="A"/>\n<Class code="A"/></C>',
        ", line 3: expected 'A' once, got it after line 2; drop it",
    )
    for link, fate in [
        ('SuperClass code="B"', "above 'A', got 'B', which is not in the file; mend it"),
        ('SubClass code="B"', "below 'A', got 'B', which is not in the file; mend it"),
        ('SuperClass code="A"', "above 'A', got 'A', which is itself; mend it"),
        ("SuperClass", "above 'A', got '', which is not in the file; mend it"),
    ]:
        text = f'<C><Class code="A">\n\n<{link}/></Class></C>'
        refused(text, f", line 3: expected a class {fate}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("\n \n", 3),
        ("00001 A00     0 Cholera\n", 1),
        (b"%PDF-1.4\n\xff\x00", 1),
        ("<ClaML>\n<Class>", 2),
        ('<ClaML>\n<Class code="A', 2),
        ('<ClaML>\n<Class code="A"/>\n</Claml>', 3),
        ("<C/>\n<C/>", 2),
        ('<?xml version="1.0"?>\n<C>\n<Class code="\xe9"/></C>'.encode("latin-1"), 3),
        ('<?xml version="1.0" encoding="no-such"?>\n<C/>', 1),
        ('<?xml version="1.0" encoding="big5"?>\n<C/>', 1),
        ('<!DOCTYPE C SYSTEM "C.dtd">\n<C>\n&auml;</C>', 3),
        ('<!DOCTYPE C [<!ENTITY auml SYSTEM "a.txt">]>\n<C>\n&auml;</C>', 3),
    ],
)
def test_damaged_xml_is_named(write, text, line) -> None:
    path = write(text, "icd.xml")
    with pytest.raises(HierarchyError, match=rf"^{path}, line {line}: expected XML, got .*; fetch"):
        read_claml(path)


def test_truncated_claml(write) -> None:
    text = CLAML.rstrip()
    for end in range(len(text)):
        path = write(text[:end], "icd.xml")
        with pytest.raises(HierarchyError, match=rf"^{path}, line \d+: expected XML"):
            read_claml(path)
