import pytest

from hierloss import HierarchyError
from hierloss_adapters.obo import read_obo
from table import terms


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"my \! space", "my ! space"),
        (r"my\nis_a\: B", "my\nis_a: B"),
        (r'a \{b\} {c="}"} ! d', "a {b}"),
        ("a {b} {c}  ! d", "a {b} {c}"),
        ("foo {bar}", "foo {bar}"),
        ("foo {bar=1}", "foo {bar=1}"),
        ("foo {}", "foo {}"),
        ('foo {"bar"} ! d', 'foo {"bar"}'),
        ('foo {bar} {a="b", c="}"}', "foo {bar}"),
        ('foo {a="b"}', "foo"),
        ('foo {a = "b",c="d"} ! e', "foo"),
        ("a \t b", "a b"),
    ],
)
def test_values_are_plain(write, text, value):
    path = write(f"default-namespace: {text}\n" + terms(f"id: A\nname: {text}\nnamespace: {text}"))
    ontology = read_obo(path)
    assert ontology.labels == ontology.namespaces == {"A": value}
    assert ontology.hierarchy.edges == ()
    path = write(f"default-namespace: {text}\n" + terms("id: A"))
    assert read_obo(path, namespace=value).namespaces == {"A": value}


@pytest.mark.parametrize(
    ("stanzas", "aliases", "obsolete", "problems"),
    [
        pytest.param(["id: A\nalt_id: x\nalt_id: y"], {"x": "A", "y": "A"}, {}, 0, id="alt_id"),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: A"], {"O": "A"}, {}, 0, id="replaced"
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: P\nalt_id: o"]
            + ["id: P\nis_obsolete: true\nreplaced_by: A"],
            {"O": "A", "P": "A", "o": "A"},
            {},
            0,
            id="replaced twice, and its alt_id",
        ),
        pytest.param(
            ["id: A\nalt_id: x", "id: O\nis_obsolete: true\nreplaced_by: x"],
            {"O": "A", "x": "A"},
            {},
            0,
            id="replaced by an alt_id",
        ),
        pytest.param(
            ["id: A\nalt_id: O", "id: B", "id: O\nis_obsolete: true\nreplaced_by: B"],
            {"O": "A"},
            {},
            0,
            id="alt_id before replaced_by",
        ),
        pytest.param(
            ["id: A\nalt_id: x", "id: O\nis_obsolete: true\nalt_id: x"],
            {"x": "A"},
            {"O": ()},
            0,
            id="alt_id of a live term before that of an obsolete one",
        ),
        pytest.param(["id: A\nalt_id: x", "id: B\nalt_id: x"], {}, {}, 1, id="shared alt_id"),
        pytest.param(["id: A\nalt_id: B", "id: B"], {}, {}, 1, id="alt_id that is a term"),
        pytest.param(
            ["id: A", "id: B", "id: O\nis_obsolete: true\nreplaced_by: A\nreplaced_by: B"],
            {},
            {"O": ()},
            1,
            id="two replacements",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: A\nreplaced_by: A"],
            {"O": "A"},
            {},
            0,
            id="one replacement given twice",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: Z\nconsider: A"],
            {},
            {"O": ("A",)},
            0,
            id="replaced by what is not there",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: P"]
            + ["id: P\nis_obsolete: true\nreplaced_by: O"],
            {},
            {"O": (), "P": ()},
            0,
            id="replaced in a circle",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nconsider: A"], {}, {"O": ("A",)}, 0, id="consider"
        ),
        pytest.param(
            ["id: A\nconsider: B\nreplaced_by: C", "id: B"], {}, {}, 0, id="only for obsolete terms"
        ),
    ],
)
def test_aliases(write, stanzas, aliases, obsolete, problems):
    ontology = read_obo(write(terms(*stanzas)))
    assert ontology.hierarchy.aliases == aliases
    assert ontology.obsolete == obsolete
    assert len(ontology.problems) == problems


def test_ambiguous_aliases_are_told(write):
    path = write(terms("id: B\nalt_id: x", "id: A\nalt_id: x\nalt_id: B"))
    assert read_obo(path).problems == (
        "'x' is no alias, because it leads to 'A' and 'B'",
        "'B' is a term, although it is an alt_id of 'A'",
    )


@pytest.mark.parametrize(
    ("parent", "fate"),
    [
        ("x", "'x', which is an alt_id of 'B' (write 'B')"),
        ("y", "'y', which is an alt_id of 'B' and 'C'"),
        ("o", "'o', which is an alt_id of 'O' (write 'C')"),
        ("O", "'O', which is obsolete (write 'C')"),
    ],
)
def test_dangling_edges_tell_what_to_write(write, parent, fate):
    path = write(
        terms(
            f"id: A\nis_a: {parent}",
            "id: B\nalt_id: x\nalt_id: y",
            "id: C\nalt_id: y",
            "id: O\nis_obsolete: true\nreplaced_by: C\nalt_id: o",
        )
    )
    with pytest.raises(HierarchyError) as caught:
        read_obo(path)
    assert f"line 3: expected a parent that is a live term, got {fate}; mend" in str(caught.value)
    assert read_obo(path, on_dangling="drop").dropped == (f"line 3: 'A' is_a {fate}",)
