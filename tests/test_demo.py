"""The demonstration: its data, its cross-validation, its table and picture."""

import io
import sys
from collections import Counter
from itertools import pairwise

import pytest
import torch
from rich.console import Console

from hierloss import demo
from hierloss.demo import picture, validation

pytest.importorskip("matplotlib", reason='matplotlib is missing; pip install "hierloss[demo]"')

TYPES = {
    "mammal": (41, {"Mammalia"}),
    "bird": (20, {"Aves"}),
    "reptile": (5, {"Testudines", "Lepidosauria"}),
    "fish": (13, {"Chondrichthyes", "Actinopterygii"}),
    "amphibian": (4, {"Amphibia"}),
    "insect": (8, {"Insecta"}),
    "invertebrate": (
        10,
        {"Cnidaria", "Echinodermata", "Lophotrochozoa", "Arachnida", "Decapoda"},
    ),
}
QUICK = {"folds": 2, "repeats": 2, "epochs": 2}


@pytest.fixture(scope="module")
def zoo():
    return demo.load()


@pytest.fixture(scope="module")
def results(zoo):
    return demo.cross_validate(zoo, **QUICK)


def same(one, other):
    return all(torch.equal(a.logits, b.logits) for a, b in zip(one, other, strict=True))


def test_zoo_has_the_animals_and_traits_of_the_original(zoo):
    assert len(zoo.names) == len(zoo.taxa) == 101
    assert Counter(zoo.names).most_common(2) == [("frog", 2), ("aardvark", 1)]
    assert (zoo.names[0], zoo.names[-1]) == ("aardvark", "wren")
    assert (len(zoo.traits), zoo.traits[0], zoo.traits[-1]) == (16, "hair", "catsize")
    assert zoo.features.shape == (101, 16)
    assert zoo.features.dtype == torch.float32
    legs = zoo.traits.index("legs")
    assert set(zoo.features[:, legs].tolist()) == {0, 2, 4, 5, 6, 8}
    rest = torch.cat([zoo.features[:, :legs], zoo.features[:, legs + 1 :]], dim=1)
    assert set(rest.unique().tolist()) == {0, 1}


def test_taxonomy_is_a_deep_tree_in_which_every_leaf_has_an_animal(zoo):
    h = zoo.hierarchy
    assert (h.kind, h.roots, len(h), h.depth) == ("tree", ("Animalia",), 69, 8)
    assert set(h.leaves) <= set(zoo.taxa)
    assert sum(count == 1 for count in Counter(zoo.taxa).values()) <= len(zoo.names) / 4


def test_no_two_taxa_have_the_same_animals(zoo):
    assert len(zoo.target.unique(dim=1).T) == len(zoo.hierarchy)


def test_target_is_each_taxon_and_what_is_above_it(zoo):
    h = zoo.hierarchy
    assert zoo.target.dtype == torch.bool
    assert torch.equal(h.close(zoo.target), zoo.target)
    for taxon, row in zip(zoo.taxa, h.decode(zoo.target), strict=True):
        assert set(row) == {taxon, *h.ancestors(taxon)}


def test_original_types_can_be_told_from_the_taxa(zoo):
    rows = [set(row) for row in zoo.hierarchy.decode(zoo.target)]
    types = [[name for name, (_, taxa) in TYPES.items() if taxa & row] for row in rows]
    assert all(len(found) == 1 for found in types)
    assert Counter(found[0] for found in types) == {name: n for name, (n, _) in TYPES.items()}


@pytest.mark.parametrize(
    ("animal", "taxon"),
    [
        ("girl", "Primates"),
        ("seawasp", "Cnidaria"),
        ("slowworm", "Squamata"),
        ("tuatara", "Rhynchocephalia"),
        ("porpoise", "Artiodactyla"),
        ("pussycat", "Felidae"),
        ("seahorse", "Percomorpha"),
        ("platypus", "Monotremata"),
    ],
)
def test_animals_that_are_easily_misplaced(zoo, animal, taxon):
    assert zoo.target[zoo.names.index(animal), zoo.hierarchy.index(taxon)]


def test_cross_validation_predicts_every_animal_with_every_loss(results):
    assert [result.loss for result in results] == list(validation.LOSSES)
    for result in results:
        assert result.logits.shape == (2, 101, 69)
        assert result.logits.isfinite().all()
        assert all(0 <= value <= 1 for m in result.before + result.after for value in m)


def test_losses_start_from_the_same_weights_and_then_part(zoo, results):
    for one, other in pairwise(results):
        assert not torch.equal(one.logits, other.logits)
    networks = [validation._network(16, 69, seed=3)[0].weight for _ in range(2)]
    assert torch.equal(*networks)


def test_nothing_is_violated_after_mcm(results):
    assert all(m.violated > 0 for result in results for m in result.before)
    assert all(m.violated == m.incoherent == 0 for result in results for m in result.after)


def test_the_seed_decides_and_the_global_generator_stays(zoo, results):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    again = demo.cross_validate(zoo, **QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert same(again, results)
    other = demo.cross_validate(zoo, seed=1, **QUICK)
    assert not any(torch.equal(a, b) for a in other[0].logits for b in results[0].logits)


def test_progress_is_reported_after_each_network(zoo):
    calls = []
    demo.cross_validate(zoo, folds=2, repeats=1, epochs=1, progress=lambda *c: calls.append(c))
    assert calls == [(i, 8) for i in range(1, 9)]


def test_a_network_learns(zoo):
    held_out = torch.arange(101) % 5 == 0
    logits = validation._predict(zoo, held_out, "HybridLoss", epochs=60, seed=0)
    taxa = zoo.target[held_out]
    assert ((logits > 0) == taxa).double().mean() > 0.95


def test_held_out_animals_do_not_influence_training(zoo):
    held_out = torch.arange(101) == 5
    other = demo.Zoo(**{**vars(zoo), "target": zoo.target.clone()})
    other.target[5] = False
    one, two = (validation._predict(z, held_out, "MCLoss", 2, 0) for z in (zoo, other))
    assert torch.equal(one, two)


def test_measure_of_perfect_and_of_incoherent_scores(zoo):
    assert demo.Measure(1.0, 0.0, 0.0) == validation.measure(zoo, zoo.target.float())
    levels = torch.tensor(zoo.hierarchy.levels.tolist()).expand(101, -1)
    assert validation.measure(zoo, -levels).violated == 0
    assert validation.measure(zoo, levels).violated == 1
    assert validation.measure(zoo, levels).incoherent == 1


def test_measure_leaves_the_root_out(zoo):
    scores = torch.rand(101, 69, generator=torch.Generator().manual_seed(0))
    other = scores.clone()
    other[:, zoo.hierarchy.index("Animalia")] = 0
    assert validation.measure(zoo, scores).auprc == validation.measure(zoo, other).auprc


def test_spread_of_one_value_is_zero():
    assert validation.spread([0.5]) == (0.5, 0.0)
    assert validation.spread([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))


@pytest.mark.parametrize("options", [{"folds": 1}, {"folds": 102}, {"repeats": 0}, {"epochs": 0}])
def test_cross_validation_refuses_impossible_numbers(zoo, options):
    with pytest.raises(ValueError, match="expected 2 to 101 folds, and repeats and epochs of 1"):
        demo.cross_validate(zoo, **options)


def test_run_prints_a_table_and_writes_the_picture(tmp_path):
    text = io.StringIO()
    console = Console(file=text, width=100)
    path = demo.run(tmp_path / "new" / "out", console=console, repeats=1, epochs=2)
    assert path == tmp_path / "new" / "out" / "zoo-scores.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert all(loss in text.getvalue() for loss in (*validation.LOSSES, str(path), " 0.0 "))


def test_picture_names_the_animal_and_shows_three_panels(zoo, results):
    figure = picture.picture(zoo, results[0])
    scores = results[0].logits[0].sigmoid()
    i = picture.least_coherent(zoo, scores)
    assert f"{zoo.names[i].capitalize()}, truly {zoo.taxa[i]}" in figure.get_suptitle()
    counts = [len(ax.patches) for ax in figure.axes]
    assert counts == [len(picture.shown(zoo, i, scores[i]))] * 3
    assert len(figure.axes[0].collections[1].get_segments()) > 0
    assert len(figure.axes[2].collections[1].get_segments()) == 0


def test_picture_shows_noticeable_and_true_classes_and_siblings_of_these(zoo):
    scores = torch.zeros(69)
    scores[zoo.hierarchy.index("Cetacea")] = 0.5
    i = zoo.names.index("clam")
    expected = {
        *("Animalia", "Lophotrochozoa", "Mollusca"),
        *("Cnidaria", "Echinodermata", "Arthropoda", "Vertebrata", "Annelida"),
        *("Cetacea", *zoo.hierarchy.ancestors("Cetacea")),
    }
    assert set(picture.shown(zoo, i, scores)) == expected


def test_a_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "hierloss\[demo\]"'):
        demo.run(tmp_path, repeats=1, epochs=1)
