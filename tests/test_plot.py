"""Pictures: what is in them and where, not how they look to the pixel."""

import sys
from itertools import combinations, pairwise
from math import dist
from random import Random

import pytest
import torch
from hypothesis import given, settings

from hierloss import Hierarchy, UnknownClassError
from hierloss_adapters.plot import VIOLATED, draw, draw_neighbourhood, neighbourhood
from strategies import hierarchies

colors = pytest.importorskip("matplotlib.colors", reason='needs pip install "hierloss[plot]"')


@pytest.fixture
def tree() -> Hierarchy:
    r"""A root a with children b, c and d; b has e and f, d has g, g has h."""
    return Hierarchy.from_parents([None, 0, 0, 0, 1, 1, 3, 6], names=list("abcdefgh"))


@pytest.fixture
def dag() -> Hierarchy:
    """Two roots; d is below both and below the deeper c."""
    return Hierarchy.from_edges([("c", "a"), ("d", "a"), ("d", "b"), ("d", "c"), ("e", "d")])


def boxes(ax):
    """Left, right, top and bottom of the box of each class, by the first line of its text."""
    spans = {}
    for patch, text in zip(ax.patches, ax.texts, strict=True):
        x, y, wide, tall = patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()
        spans[text.get_text().split("\n")[0]] = x, x + wide, y, y + tall
    return spans


def middle(span):
    return (span[0] + span[1]) / 2


def edges(ax):
    """The plain and the violated edges, as (child, parent) names."""
    spans = boxes(ax)
    start = {(middle(s), s[3]): name for name, s in spans.items()}
    end = {(middle(s), s[2]): name for name, s in spans.items()}
    end |= {(s[0], (s[2] + s[3]) / 2): name for name, s in spans.items()}

    def named(line):
        return at(end, line[-1]), at(start, line[0])

    return [sorted(named(line) for line in lines.get_segments()) for lines in ax.collections]


def at(places, point):
    """The name at a point."""
    place = min(places, key=lambda place: dist(place, point))
    assert dist(place, point) < 1e-6
    return places[place]


def meets(a, b, span):
    """Whether the way from one point to another goes through the inside of a box."""
    (x, y), (u, v) = a, b
    left, right, top, bottom = span
    if max(y, v) <= top or min(y, v) >= bottom or max(x, u) <= left or min(x, u) >= right:
        return False
    enter, leave = 0.0, 1.0
    for start, step, low, high in ((x, u - x, left, right), (y, v - y, top, bottom)):
        if abs(step) < 1e-9:
            enter, leave = (enter, leave) if low + 0.01 < start < high - 0.01 else (1.0, 0.0)
        else:
            ends = sorted(((low + 0.01 - start) / step, (high - 0.01 - start) / step))
            enter, leave = max(enter, ends[0]), min(leave, ends[1])
    return enter < leave


def hidden(ax):
    """The parts of edges that are behind a box."""
    lines = [line.tolist() for lines in ax.collections for line in lines.get_segments()]
    parts = [part for line in lines for part in pairwise(line)]
    return [(part, name) for name, s in boxes(ax).items() for part in parts if meets(*part, s)]


def assert_tidy(h, **options):
    """Every edge is there and behind no box, no boxes overlap, children are below parents."""
    ax = draw(h, **options)
    spans = boxes(ax)
    plain, violated = edges(ax)
    assert sorted(plain + violated) == sorted(h.edges)
    assert hidden(ax) == []
    assert not any(overlap(one, other) for one, other in combinations(spans.values(), 2))
    assert all(spans[child][2] > spans[parent][3] for child, parent in h.edges)


def overlap(one, other):
    apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
    return not apart


@pytest.mark.parametrize("name", ["tree", "dag"])
def test_draws_every_class_and_edge(name, request):
    h = request.getfixturevalue(name)
    ax = draw(h, title="All")
    assert set(boxes(ax)) == set(h.names)
    assert edges(ax) == [sorted(h.edges), []]
    assert ax.get_title() == "All"


@pytest.mark.parametrize("name", ["tree", "dag"])
def test_children_are_below_all_their_parents(name, request):
    h = request.getfixturevalue(name)
    spans = boxes(draw(h))
    assert all(spans[child][2] > spans[parent][3] for child, parent in h.edges)


@pytest.mark.parametrize(
    "edges",
    [
        [("b", "a"), ("c", "b"), ("c", "a")],
        [(f"{i + 1}", f"{i}") for i in range(9)] + [("9", "0"), ("9", "4"), ("7", "0")],
        [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("e", "d"), ("f", "d"), ("f", "a")],
        [(f"leaf {i}", f"parent {i * k % 9}") for i in range(50) for k in range(3)],
        [(f"leaf {i}", "root") for i in range(60)] + [("leaf 7", "leaf 3"), ("below", "leaf 9")],
        [("sink", f"root {i}") for i in range(30)] + [(f"root {i + 1}", "root 0") for i in (4, 5)],
    ],
    ids=["shortcut", "shortcuts", "diamond", "dense", "wide", "many roots"],
)
def test_edges_go_around_the_boxes_of_other_classes(edges):
    assert_tidy(Hierarchy.from_edges(edges))


@given(hierarchies(max_size=24))
@settings(deadline=None, max_examples=40)
def test_edges_go_around_boxes_in_any_hierarchy(problem):
    h = problem.hierarchy
    assert_tidy(h, labels={name: "long label " * (i % 4) for i, name in enumerate(h.names)})


@pytest.mark.parametrize("seed", range(8))
def test_edges_go_around_boxes_in_large_hierarchies(seed):
    random = Random(seed)
    edges = {(c, p) for c in range(1, 60) for p in random.sample(range(c), min(c, seed % 3 + 1))}
    h = Hierarchy.from_edges([(f"class {c}", f"class {p}") for c, p in sorted(edges)])
    assert_tidy(h, labels={name: "text " * random.randrange(12) for name in h.names})


def test_parents_are_above_the_middle_of_their_children(tree):
    spans = boxes(draw(tree))
    for name in tree:
        if children := tree.children(name):
            ends = middle(spans[children[0]]), middle(spans[children[-1]])
            assert middle(spans[name]) == pytest.approx(sum(ends) / 2)


@pytest.mark.parametrize("children", [0, 1, 12, 150])
def test_wide_levels_are_piled_up_without_overlap(children):
    edges = [(f"class {i} of many", f"family {i % 7}") for i in range(children)]
    h = Hierarchy.from_edges([*edges, *((f"family {i}", "root") for i in range(7))])
    assert_tidy(h, scores=torch.linspace(0, 1, len(h)), labels={"family 1": "a long text " * 5})
    assert draw(h).figure.get_size_inches()[0] < 24


def test_text_fits_its_box(tree):
    ax = draw(tree, labels={"a": "Wide Words, MMMMMMMMM", "e": "narrow ill"})
    ax.figure.canvas.draw()
    for patch, text in zip(ax.patches, ax.texts, strict=True):
        outer, inner = patch.get_window_extent(), text.get_window_extent()
        assert outer.x0 <= inner.x0
        assert inner.x1 <= outer.x1
        assert inner.height <= outer.height + 1


def test_violated_edges_stand_out_by_colour_and_style(tree):
    ax = draw(tree, torch.tensor([0.9, 0.5, 0.1, 0.2, 0.6, 0.5, 0.2, 0.7]))
    plain, violated = ax.collections
    assert edges(ax)[1] == [("e", "b"), ("h", "g")]
    assert colors.same_color(violated.get_color()[0], VIOLATED)
    assert not colors.same_color(plain.get_color()[0], VIOLATED)
    assert violated.get_linestyle() != plain.get_linestyle()
    assert violated.get_linewidth() > plain.get_linewidth()


def test_scores_are_printed_and_darken_the_box(tree):
    ax = draw(tree, torch.linspace(0, 1, 8))
    assert [text.get_text() for text in ax.texts][::7] == ["a\n0.00", "h\n1.00"]
    lightness = [sum(patch.get_facecolor()[:3]) for patch in ax.patches]
    assert lightness == sorted(lightness, reverse=True)


def test_titles_and_names_are_no_formulas():
    h = Hierarchy.from_paths(["$a$"])
    ax = draw(h, torch.tensor([0.5]).numpy(), title="$a$ and $\\frac$")
    ax.figure.canvas.draw()
    assert ax.title.get_text() == "$a$ and $\\frac$"


def test_a_score_that_is_nan_is_hatched_and_its_edges_are_violated(tree):
    ax = draw(tree, torch.tensor([0.9, 0.8, float("nan"), 0.2, 0.6, 0.5, 0.2, 0.1]))
    assert [name for name, box in zip(boxes(ax), ax.patches, strict=True) if box.get_hatch()] == [
        "c"
    ]
    assert ax.texts[2].get_text() == "c\nnan"
    assert edges(ax)[1] == [("c", "a")]


def test_true_classes_and_their_ancestors_have_a_thick_outline(tree):
    thick = [patch.get_linewidth() > 2 for patch in draw(tree, true=["g"]).patches]
    assert thick == [name in "adg" for name in tree]


def test_draws_only_the_classes_asked_for(dag):
    ax = draw(dag.with_aliases({"E": "e"}), classes=["E", "d", "a"])
    assert set(boxes(ax)) == {"a", "d", "e"}
    assert edges(ax)[0] == [("d", "a"), ("e", "d")]


def test_labels_are_wrapped_below_the_name_and_taken_literally(tree):
    ax = draw(tree, classes=["a"], labels={"a": "regulation of $apoptotic$ process"})
    assert ax.texts[0].get_text() == "a\nregulation of\n$apoptotic$ process"
    assert not ax.texts[0].get_parse_math()


def test_text_shrinks_with_the_axes_it_is_given(tree):
    figure = draw(tree).figure
    small = figure.add_axes((0, 0, 0.2, 0.2))
    assert draw(tree, ax=small) is small
    assert small.texts[0].get_fontsize() < figure.axes[0].texts[0].get_fontsize() / 2


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (torch.zeros(2, 8), r"of shape \(8,\), got \(2, 8\); draw one row"),
        (torch.full((8,), -3.0), r"within 0 and 1, got -3 to -3; for logits pass scores.sigmoid"),
    ],
)
def test_refuses_scores_that_are_not_probabilities_of_one_sample(tree, scores, message):
    with pytest.raises(ValueError, match=message):
        draw(tree, scores)


def test_refuses_no_class(tree):
    with pytest.raises(ValueError, match="at least one class to draw, got none"):
        draw(tree, classes=[])


def test_refuses_classes_given_as_one_string(tree):
    with pytest.raises(TypeError, match=r"a list of names, got the string 'beta'; pass \['beta'\]"):
        draw(tree, classes="beta")


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("d", {}, "abcde"),
        ("d", {"above": 1}, "abcde"),
        ("e", {"above": 1}, "de"),
        ("e", {"above": 0, "below": 3}, "e"),
        ("a", {"below": 2}, "acde"),
        ("a", {"below": 0}, "a"),
        ("e", {"limit": 2}, "de"),
    ],
)
def test_neighbourhood(dag, name, options, expected):
    assert "".join(neighbourhood(dag, name, **options)) == "".join(
        name for name in dag.names if name in expected
    )


def test_neighbourhood_keeps_ancestors_before_descendants(tree):
    assert neighbourhood(tree, "b", limit=2) == ("a", "b")


def test_neighbourhood_refuses_unknown_classes_and_negative_numbers(tree):
    with pytest.raises(UnknownClassError):
        neighbourhood(tree, "z")
    with pytest.raises(ValueError, match="limit to be 1 or more, got above=None, below=1, limit=0"):
        neighbourhood(tree, "a", limit=0)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_draw_neighbourhood_writes_a_file(tree, tmp_path, suffix, start):
    path = tmp_path / f"term.{suffix}"
    draw_neighbourhood(tree, "b", path, labels={"b": "a label"}, limit=3)
    assert path.read_bytes().startswith(start)


def test_an_svg_has_real_text_no_date_and_always_the_same_bytes(dag, tmp_path):
    for name in ("one.svg", "two.svg"):
        draw_neighbourhood(dag, "d", tmp_path / name, labels={"d": "a label"})
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert ">a label<" in text
    assert "<dc:date>" not in text


def test_missing_matplotlib_names_the_extra(tree, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r'pip install "hierloss\[plot\]"'):
        draw(tree)
