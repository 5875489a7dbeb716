"""Mistakes found in other libraries, each as a test that it is not made here."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import hierloss.functional as HF
from hierloss import MCM, Hierarchy, HybridLoss, LHLoss, MCLoss, UnknownClassError

CHAIN = Hierarchy.from_paths(["a/b/c"])
# A chain with a shortcut past all of it: the last class is a child of the first.
SHORTCUT = Hierarchy.from_parents([None, 0, 1, 2, 3, 4, 5, 6, (7, 0)])


def test_propagation_goes_to_ancestors_not_to_descendants() -> None:
    scores = torch.tensor([0.99, 0.1, 0.1])
    assert torch.equal(MCM(CHAIN)(scores), scores)


def test_levels_are_longest_paths_so_that_one_sweep_leaves_no_violation() -> None:
    scores = torch.zeros(9)
    scores[8] = 1.0
    assert SHORTCUT.levels.tolist() == list(range(9))
    assert MCM(SHORTCUT)(scores).tolist() == [1.0] * 9


def test_negatives_are_trained() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    loss = MCLoss(CHAIN)(scores, torch.zeros(2, 3))
    loss.backward()
    assert loss > 0
    assert scores.grad.sum() > 0


def test_pos_weight_weighs_positives_only() -> None:
    single = Hierarchy.from_parents([None])
    zero, ten = torch.zeros(1), torch.full((1,), 10.0)
    terms = [HybridLoss(single, pos_weight=ten)(zero, torch.tensor([y])) for y in (1.0, 0.0)]
    expected = [
        F.binary_cross_entropy_with_logits(zero, torch.tensor([y]), pos_weight=ten)
        for y in (1.0, 0.0)
    ]
    assert_close(torch.stack(terms), torch.stack(expected))
    assert_close(terms[0], 10 * terms[1])


def test_negative_scores_are_selected_not_multiplied_by_zero() -> None:
    h = Hierarchy.from_parents([None, 0])
    assert MCM(h)(torch.tensor([-3.0, -2.0])).tolist() == [-2.0, -2.0]


def test_negative_logits_still_learn() -> None:
    h = Hierarchy.from_parents([None, 0, None])
    logits = torch.tensor([[-2.0, -3.0, -1.0]], requires_grad=True)
    MCLoss(h, reduction="sum")(logits, torch.tensor([[1, 1, 0]])).backward()
    expected = torch.tensor([-2.0, -3.0, -1.0]).sigmoid() - torch.tensor([1.0, 1.0, 0.0])
    assert_close(logits.grad[0], expected)


def test_roots_are_above_every_other_class() -> None:
    h = Hierarchy.from_edges([("cs", "root"), ("cs.AI", "cs")])
    assert h.levels.tolist() == [0, 1, 2]
    assert h.is_coherent(MCM(h)(torch.tensor([0.1, 0.9, 0.5])))


def test_labels_given_as_one_string_or_unknown_are_no_empty_row() -> None:
    h = Hierarchy.from_paths(["cs.AI", "cs.LG"], sep=".")
    with pytest.raises(TypeError, match=r"one class is written \['cs\.AI cs\.LG'\]"):
        h.encode(["cs.AI cs.LG"])
    with pytest.raises(UnknownClassError, match=r"'cs\.AI cs\.LG'"):
        h.encode([["cs.AI cs.LG"]])


def test_tables_are_made_once_and_one_label_is_encoded_at_once() -> None:
    n = 20_000  # what took seconds for 300 classes would never end
    h = Hierarchy.from_parents([None, *range(n - 1)])
    assert h.edges is h.edges
    assert h._up is h._up
    assert h.encode([[str(n - 1)]]).all()


def test_rows_without_positives_count() -> None:
    scores = torch.randn(2, 3)
    target = torch.tensor([[1, 1, 0], [0, 0, 0]])
    both = MCLoss(CHAIN, reduction="sum")(scores, target)
    first = MCLoss(CHAIN, reduction="sum")(scores[:1], target[:1])
    assert both > first


@pytest.mark.parametrize("loss", [MCLoss, LHLoss, HybridLoss])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_no_hidden_change_of_type(loss, dtype: torch.dtype) -> None:
    scores = torch.randn(2, 3, dtype=dtype, requires_grad=True)
    terms = loss(CHAIN, reduction="none")(scores, torch.zeros(2, 3))
    terms.sum().backward()
    assert terms.dtype == dtype
    assert scores.grad.dtype == dtype


def test_memory_is_linear_in_the_classes() -> None:
    sizes = [_held(MCM(_star(n))) for n in (1000, 10_000)]
    assert 0 < sizes[1] < 20 * sizes[0]


def _held(layer: MCM) -> int:
    return sum(x.numel() for x in vars(layer.topology).values() if isinstance(x, torch.Tensor))


def _star(n: int) -> Hierarchy:
    return Hierarchy.from_parents([None] + [0] * (n - 1))


def test_a_mask_fits_half_precision() -> None:
    scores = torch.tensor([-60000.0, 1.0, 2.0], dtype=torch.float16)
    terms = HF.mc_loss(scores, torch.tensor([1, 0, 0]), CHAIN, reduction="none")
    assert terms[0] == 60000


def test_ties_do_not_lose_or_double_the_gradient() -> None:
    scores = torch.zeros(4, 9, requires_grad=True)
    MCM(SHORTCUT)(scores).sum().backward()
    assert torch.equal(scores.grad, torch.ones(4, 9))


def test_saturated_scores_keep_their_gradient() -> None:
    scores = torch.tensor([200.0, 200.0, 200.0], requires_grad=True)
    HybridLoss(CHAIN, reduction="sum")(scores, torch.zeros(3)).backward()
    assert_close(scores.grad.sum(), torch.tensor(3.0))


def test_small_losses_keep_their_digits() -> None:
    scores = torch.full((3,), -20.0)
    terms = HybridLoss(CHAIN, reduction="none")(scores, torch.zeros(3))
    assert_close(terms, torch.full((3,), 2.0611537e-09), rtol=1e-6, atol=0)


def test_equal_names_under_different_parents_are_different_classes() -> None:
    h = Hierarchy.from_paths(["A/B/D", "A/C/D"])
    assert h.index("A/B/D") != h.index("A/C/D")
    assert h.decode(h.encode([["A/B/D"]])) == [("A", "A/B", "A/B/D")]


def test_only_children_are_classes_of_their_own() -> None:
    terms = MCLoss(CHAIN, reduction="none")(torch.zeros(3), torch.tensor([1, 0, 0]))
    assert len(terms) == 3
    assert terms.all()


def test_unknown_labels_do_not_count_as_negative() -> None:
    scores = torch.tensor([2.0, 2.0, 2.0])
    known = MCLoss(CHAIN)(scores, torch.tensor([1, 1, -1]))
    assert_close(known, F.softplus(torch.tensor(-2.0)))


def test_columns_follow_the_names_of_the_caller() -> None:
    names = ["c", "a", "b"]
    h = Hierarchy.from_edges([("c", "b"), ("b", "a")], names=names)
    scores = torch.tensor([0.9, 0.1, 0.2])
    assert MCM(h)(scores).tolist() == pytest.approx([0.9] * 3)
    assert h.encode([["b"]]).tolist() == [[False, True, True]]


def test_the_hierarchy_reaches_the_loss() -> None:
    flat = Hierarchy.from_edges([], names=["a", "b", "c"])
    scores, target = torch.tensor([0.1, 0.9, 0.4]), torch.zeros(3)
    bce = F.binary_cross_entropy_with_logits(scores, target)
    assert_close(HybridLoss(flat)(scores, target), bce)
    for loss in (MCLoss(CHAIN), LHLoss(CHAIN), HybridLoss(CHAIN, balance=0.3)):
        assert not torch.isclose(loss(scores, target), bce)


def test_importing_prints_nothing_and_needs_no_extra() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.modules.update(dict.fromkeys(['matplotlib', 'sklearn', 'hypothesis']));"
        "import hierloss; print(sorted({'networkx', 'obonet'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    assert run.stdout in ("[]\n", "['networkx']\n")  # torch itself may import networkx


def test_children_and_parents_share_one_numbering() -> None:
    h = Hierarchy.from_edges([("z", "a"), ("a", "m")])
    assert [(h.names[c], h.names[p]) for c, p in h.edge_index.T] == [("a", "m"), ("z", "a")]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.float32])
def test_negatives_of_integer_labels_are_their_complement(dtype: torch.dtype) -> None:
    scores, target = torch.randn(2, 3), torch.tensor([[1, 1, 0], [0, 0, 0]])
    expected = MCLoss(CHAIN)(scores, target.bool())
    assert torch.equal(MCLoss(CHAIN)(scores, target.to(dtype)), expected)


@pytest.mark.parametrize("module", [MCM, MCLoss, LHLoss, HybridLoss])
def test_constructors_print_nothing(module, capsys) -> None:
    module(CHAIN)
    assert capsys.readouterr() == ("", "")


def test_an_ancestor_matrix_has_one_orientation_and_it_is_checked() -> None:
    descendants = torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 1]])
    assert MCM(Hierarchy.from_matrix(descendants))(torch.tensor([0.1, 0.2, 0.9]))[0] == 0.9
    with pytest.raises(ValueError, match="pass orientation='ancestor_rows'"):
        Hierarchy.from_matrix(descendants.T)


def test_sweeps_ask_no_tensor_for_its_values() -> None:
    compiled = torch.compile(MCM(SHORTCUT), backend="aot_eager", fullgraph=True)
    scores = torch.randn(4, 9)
    assert torch.equal(compiled(scores), MCM(SHORTCUT)(scores))
