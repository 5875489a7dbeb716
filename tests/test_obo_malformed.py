import bz2
import gzip
import lzma

import obonet
import pytest

from hierloss import HierarchyError
from hierloss_adapters.obo import read_obo
from table import terms

AB = (("A", "B"),)
PETS = terms("id: A\nname: pet", "id: B\nname: cat\nis_a: A ! pet")


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        pytest.param(terms("id: A\n\nis_a: B", "id: B"), AB, id="blank line in a stanza"),
        pytest.param(terms("id: A\n \t\nis_a: B", "id: B"), AB, id="white line in a stanza"),
        pytest.param("[Term]\nid: A\nis_a: B\n[Term]\nid: B", AB, id="no blank line between"),
        pytest.param("! x\n[Term]\nid: A\nis_a: B\n\n! y\n[Term]\nid: B", AB, id="comment before"),
        pytest.param(terms("id: A\n! x\nis_a: B", "id: B"), AB, id="comment in a stanza"),
        pytest.param(
            terms("id: A\nis_a: B", "id: B") + "\n[Annotation]\nid: A\nwhatever\n",
            AB,
            id="annotation",
        ),
        pytest.param(
            terms("id: A\nis_a: B", "id: B") + "\n[Instance]\nid: A\nis_a: C\n", AB, id="instance"
        ),
        pytest.param(terms("id: A\nrelationship: part_of  B", "id: B"), AB, id="two blanks"),
        pytest.param(terms("id: A\nrelationship: part_of B  ! b", "id: B"), AB, id="two before !"),
        pytest.param(terms("id: A\nis_a: B  ! b", "id: B"), AB, id="is_a with two before !"),
        pytest.param(terms("id: A\nis_a: B\t", "id: B"), AB, id="trailing tab"),
        pytest.param(terms("id: A\nis_a:B", "id: B"), AB, id="no blank after the tag"),
        pytest.param(terms("id: A\n  is_a : B", "id: B"), AB, id="blanks around the tag"),
        pytest.param(terms('id: A\nis_a: B {x="}"} ! b', "id: B"), AB, id="modifier with a brace"),
        pytest.param(terms("is_a: B\nid: A", "id: B"), AB, id="id not first"),
        pytest.param(terms("id: A\nis_a: B\nis_a: B", "id: B"), AB, id="edge twice"),
        pytest.param(
            terms("id: A\nis_a: B\nrelationship: is_a B", "id: B"), AB, id="is_a as a relationship"
        ),
        pytest.param(
            terms("id: A\nis_a: B\nrelationship: part_of B", "id: B"), AB, id="two relations"
        ),
        pytest.param("\ufeff" + terms("id: A\nis_a: B", "id: B"), AB, id="BOM"),
        pytest.param("\ufeffformat-version: 1.2\n" + terms("id: A"), (), id="BOM before a header"),
        pytest.param(terms("id: A\nis_a: B", "id: B").replace("\n", "\r\n"), AB, id="CRLF"),
        pytest.param(terms("id: A\nis_a: B", "id: B").replace("\n", "\r"), AB, id="CR"),
        pytest.param(
            terms(r"id: A\:1\!", "id: B\nis_a: A:1\\!"), (("B", "A:1!"),), id="escaped ids"
        ),
        pytest.param(
            terms("id: A\nis_a: B", "id: B", "id: C\nis_a: B\nis_obsolete: True"), AB, id="True"
        ),
        pytest.param(terms("id: A\nis_a: B\nis_obsolete: false", "id: B"), AB, id="false"),
        pytest.param(
            terms("id: A\nis_a: B\nintersection_of: C\nunion_of: D", "id: B"), AB, id="other tags"
        ),
        pytest.param(terms("id: A\nrelationship: has_part Z"), (), id="a relation not chosen"),
        pytest.param(terms("id: A\nrelationship: has_part A"), (), id="its loop does not matter"),
        pytest.param(terms("id: A\nis_obsolete: true\nis_a: Z", "id: B"), (), id="obsolete child"),
    ],
)
def test_unusual_lines_are_read_right(write, text, edges):
    h = read_obo(write(text)).hierarchy
    assert h.edges == edges
    known = {x for edge in edges for x in edge}
    assert set(h) == known or (not known and len(h) == 1)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param(
            terms("id: A", "id: B")[:-1] + "\n\n[Foo]\nx: y", 7, "got '[Foo]'", id="stanza"
        ),
        pytest.param("[term]\nid: A\n", 1, "got '[term]'", id="stanza in small letters"),
        pytest.param(terms("id: A\nname cat"), 3, "got 'name cat'", id="no colon"),
        pytest.param("format 1.2\n" + terms("id: A"), 1, "got 'format 1.2'", id="header, no colon"),
        pytest.param(
            terms('id: A\ndef: "x \\\ny: z"'), 3, "on one line, got 'def: \"x ", id="continuation"
        ),
        pytest.param(
            terms("id: A", "name: b"), 4, "a term with an id, got one without", id="no id"
        ),
        pytest.param("[Term]\n" + terms("id: A"), 1, "a term with an id", id="empty stanza"),
        pytest.param(terms("id: A") + "[Term]\n", 3, "a term with an id", id="empty stanza last"),
        pytest.param(
            "[Typedef]\nid: part_of\n\nid: B\nis_a: A\n\n" + terms("id: A"),
            4,
            "one 'id' in a stanza, got a second after that of line 2; take one away, or begin",
            id="no [Term] after [Typedef]",
        ),
        pytest.param(
            terms("id: A") + "[Instance] ! x\nid: C\nsaid\n\nid: B\nis_a: A\n",
            7,
            "a second after that of line 4",
            id="no [Term] after [Instance]",
        ),
        pytest.param(terms("id:"), 2, "expected 'id: ID'", id="empty id"),
        pytest.param(
            "id: A\n\n" + terms("id: B"), 1, "expected [Term] before", id="no first [Term]"
        ),
        pytest.param(terms("id: A\n\nid: B"), 4, "a second after that of line 2", id="no [Term]"),
        pytest.param(terms("id: A\nname: a\nname: b"), 4, "one 'name'", id="two names"),
        pytest.param(terms("id: A", "id: B", "id: A"), 8, "again after line 2", id="duplicate id"),
        pytest.param(
            terms("id: A", "id: A\nis_obsolete: true"), 5, "again after line 2", id="obsolete twin"
        ),
        pytest.param(
            terms(r"id: A\:1", "id: A:1"), 5, "'A:1' again after line 2", id="same id escaped"
        ),
        pytest.param(terms("id: A\nis_a: B! b", "id: B"), 3, "got 'is_a: B! b'", id="is_a: B! b"),
        pytest.param(terms("id: A\nis_a: B b", "id: B"), 3, "got 'is_a: B b'", id="no !"),
        pytest.param(terms("id: A\nis_a: B {x", "id: B"), 3, "got 'is_a: B {x'", id="open brace"),
        pytest.param(
            terms("id: A\nrelationship: part_of B! b", "id: B"), 3, "RELATION ID", id="B! b"
        ),
        pytest.param(terms("id: A\nrelationship: part_of"), 3, "RELATION ID", id="one token"),
        pytest.param(
            terms("id: A\nrelationship: part_of B C"), 3, "RELATION ID", id="three tokens"
        ),
        pytest.param(terms("id: A\nis_obsolete: yes"), 3, "expected 'is_obsolete: true'", id="yes"),
        pytest.param(terms("id: A\nalt_id: B, C"), 3, "expected 'alt_id: ID'", id="two alt_ids"),
        pytest.param(terms("id: A\nis_a: A"), 3, "got 'A' is_a itself", id="self-loop"),
        pytest.param(
            terms("id: A\nrelationship: part_of A"),
            3,
            "got 'A' part_of itself",
            id="part of itself",
        ),
        pytest.param(terms("id: A\nis_a: Z"), 3, "'Z', which is not in the file", id="undefined"),
        pytest.param(terms("id: A\nis_a: Z\nis_a: Z"), 3, "'Z'", id="undefined, twice"),
        pytest.param(
            terms("id: A\nis_a: B", "id: B\nis_obsolete: true"),
            3,
            "which is obsolete",
            id="obsolete",
        ),
        pytest.param(
            terms("id: A\nis_a: B", "id: B\nis_obsolete: True"),
            3,
            "which is obsolete",
            id="Obsolete",
        ),
    ],
)
def test_malformed_lines_are_named(write, text, line, problem):
    path = write(text)
    with pytest.raises(HierarchyError) as caught:
        read_obo(path)
    assert str(caught.value).startswith(f"{path}, line {line}: expected ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ("Is_a", "is_a"),
        ("is_A", "is_a"),
        ("isa", "is_a"),
        ("is-a", "is_a"),
        ("is a", "is_a"),
        ("is_as", "is_a"),
        ("relationships", "relationship"),
        ("Id", "id"),
        ("ids", "id"),
        ("isobsolete", "is_obsolete"),
        ("Alt_IDs", "alt_id"),
        ("replaced-by ", "replaced_by"),
        ("Name", "name"),
        ("default_namespace", "default-namespace"),
    ],
)
def test_misspelt_tags_are_named(write, tag, meant):
    path = write(terms(f"id: A\n{tag}: B", "id: B"))
    with pytest.raises(HierarchyError, match=f"line 3: expected the tag '{meant}', got '{tag[:5]}"):
        read_obo(path)


@pytest.mark.parametrize("tag", ["id-mapping", "isabout", "synonym", "xrefs", "na", "IDspace", "s"])
def test_other_tags_are_ignored(write, tag):
    assert read_obo(write(f"{tag}: B\n" + terms(f"id: A\n{tag}: B"))).hierarchy.names == ("A",)


@pytest.mark.parametrize("text", ["", "\n\n", "format-version: 1.2\n", "[Typedef]\nid: part_of\n"])
def test_no_terms(write, text):
    with pytest.raises(HierarchyError, match=r"go\.obo: expected at least one \[Term\], got none"):
        read_obo(write(text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_text_is_recognised(write, encoding):
    with pytest.raises(
        HierarchyError, match=rf"go\.obo: .* utf-8, got {encoding}; .*='{encoding}'"
    ):
        read_obo(write(PETS.encode(encoding)))
    assert read_obo(write(PETS.encode(encoding)), encoding=encoding).labels["A"] == "pet"


@pytest.mark.parametrize(
    ("magic", "kind"),
    [(b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"), (b"\x1f\x9d", "compress")],
)
def test_foreign_compression_is_recognised(write, magic, kind):
    with pytest.raises(HierarchyError, match=rf"go\.obo: expected text.*got a {kind} file; decomp"):
        read_obo(write(magic + b"\xff" * 20))


@pytest.mark.parametrize("encoding", ["utf-9", "hex"])
def test_unknown_encoding(write, encoding):
    with pytest.raises(ValueError, match=f"expected the name of an encoding, got '{encoding}'"):
        read_obo(write(PETS), encoding=encoding)


@pytest.mark.parametrize(
    "url", ["http://x.org/go.obo", "https://x.org/go", "FTP://x.org/go.obo.gz"]
)
def test_urls_are_not_fetched(url):
    with pytest.raises(HierarchyError, match=f"the path of a file, got the URL {url}; download"):
        read_obo(url)


def test_encoding(write):
    path = write(terms("id: A\nname: é").encode("latin-1"))
    with pytest.raises(HierarchyError, match=r"go\.obo: expected text in utf-8, got the byte 0xe9"):
        read_obo(path)
    assert read_obo(path, encoding="latin-1").labels == {"A": "é"}
    wide = write(terms("id: A\nname: é").encode("utf-16"))
    assert read_obo(wide, encoding="utf-16").labels == {"A": "é"}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["go.obo", "go.gzip", "go.obo.xz", "go"])
def test_compression_is_seen_from_the_content(write, compress, name):
    path = write(compress(PETS.encode()), name)
    assert len(read_obo(path).hierarchy) == 2


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:20] + b"?" * 80])
def test_damaged_compression(write, compress, damage):
    path = write(damage(compress(PETS.encode())))
    with pytest.raises(HierarchyError, match=r"go\.obo: expected a whole compressed file"):
        read_obo(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_obo(tmp_path / "nowhere.obo")


def spoilt(change):
    real = obonet.read_obo

    def read(*args, **options):
        graph = real(*args, **options)
        change(graph)
        return graph

    return read


def test_obonet_reads_the_lines_as_they_stand(write, monkeypatch):
    seen = []

    def refuse(text, **options):
        seen.extend(text.read().splitlines())
        raise ValueError("enough")

    monkeypatch.setattr("obonet.read_obo", refuse)
    lines = [r'id: X\:1\! {a="b"} ! c', "relationship: part_of  X:2", 'name: a {b="}"} ! c']
    with pytest.raises(HierarchyError, match="enough"):
        read_obo(write(terms("\n! noise\n".join(lines))))
    assert seen[2:] == ["[Term]", lines[0], "relationship: part_of X:2", "name: a"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda graph: graph.remove_edge("A", "B", "is_a"),
            "line 3: expected ('A', 'is_a', 'B'), which",
        ),
        (lambda graph: graph.remove_node("C"), "line 10: expected 'C', which obonet lost"),
        (
            lambda graph: graph.add_edge("B", "C", key="is_a"),
            "expected no ('B', 'is_a', 'C'), which",
        ),
        (lambda graph: graph.add_node("D"), "expected no 'D', which only obonet sees"),
    ],
)
def test_what_obonet_loses_or_invents_is_refused(write, monkeypatch, change, problem):
    path = write(terms("id: A\nis_a: B\nrelationship: part_of B", "id: B", "id: C"))
    monkeypatch.setattr("obonet.read_obo", spoilt(change))
    with pytest.raises(HierarchyError) as caught:
        read_obo(path)
    assert problem in str(caught.value)


def test_what_obonet_refuses_is_refused(write, monkeypatch):
    def refuse(*args, **options):
        raise KeyError("id")

    path = write(PETS)
    monkeypatch.setattr("obonet.read_obo", refuse)
    with pytest.raises(
        HierarchyError, match=r"go\.obo: expected what obonet can read, got KeyError"
    ):
        read_obo(path)
