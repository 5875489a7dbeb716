"""What holds for all systems: one loop trains them, predictions are coherent, nothing gets lost."""

from __future__ import annotations

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy
from hierloss.models import MLP, SYSTEMS, Model, Output, Predictor
from hierloss.training import probabilities
from table import CLOSED, DAG

SMALL = {
    "CHMCNN": {"hidden": 8},
    "HMCN-R": {"hidden": 8, "local_hidden": 6},
    "HMCN-F": {"hidden": 8, "local_hidden": 6},
    "HMC-LMLP": {},
    "HMCN-CHMC": {"hidden": 8, "local_hidden": 6},
    "CHMC-LSTM": {"hidden": 8},
    "HLSTM": {"hidden": 8},
}
systems = pytest.mark.parametrize("name", SYSTEMS)
X = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -1.0], [-0.5, 1.5, 0.0]])


def make(name: str, h: Hierarchy = DAG, features: int = 3, **options: object) -> Model:
    return SYSTEMS[name](h, features, **{**SMALL[name], **options})


def fit(model: Model, x: Tensor, y: Tensor, steps: int = 30) -> list[list[float]]:
    """The one loop: losses of each stage."""
    losses: list[list[float]] = []
    for stage in range(model.stages):
        model.start(stage)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
        losses.append([])
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model.criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    return losses


def test_the_table_has_the_papers_names() -> None:
    assert set(SYSTEMS) == set(SMALL)


@systems
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3)])
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    model = make(name).eval()
    x = torch.randn(*shape, 3)
    output = model(x)
    assert output.global_logits.shape == (*shape, len(DAG))
    assert output.local_logits is None or output.local_logits.shape == (*shape, len(DAG))
    assert model.probabilities(output).shape == model.predict(x).shape == (*shape, len(DAG))
    loss = model.criterion(output, torch.zeros(*shape, len(DAG)))
    assert loss.shape == ()
    assert loss.isfinite()


@systems
def test_one_loop_trains_them_all(name: str) -> None:
    losses = fit(make(name), X, CLOSED)
    for stage in losses:
        assert sum(stage[-5:]) < sum(stage[:5])


@systems
def test_every_parameter_is_trained_in_some_stage(name: str) -> None:
    model = make(name)
    trained = set()
    for stage in range(model.stages):
        model.start(stage)
        model.zero_grad()
        model.criterion(model(X), CLOSED).backward()
        wanted = {n for n, p in model.named_parameters() if p.requires_grad}
        assert {n for n, p in model.named_parameters() if p.grad is not None} == wanted
        trained |= wanted
    assert trained == {n for n, _ in model.named_parameters()}


@systems
@given(data=st.data())
def test_predictions_are_coherent_probabilities(name: str, data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    model = make(name, p.hierarchy)
    predicted = model.predict(5 * torch.randn(4, 3))
    assert p.hierarchy.is_coherent(predicted)
    assert ((predicted >= 0) & (predicted <= 1)).all()


@systems
def test_predict_takes_mcm_once(name: str) -> None:
    model, calls = make(name), []
    model.constraint.register_forward_hook(lambda *_: calls.append(None))
    coherent = model.predict(X)
    assert len(calls) == 1
    with torch.no_grad():
        output = model.eval()(X)
        assert torch.equal(HF.mcm(model.raw(output), DAG), coherent)
        assert torch.equal(HF.mcm(model.probabilities(output), DAG), coherent)


def test_equal_logits_have_coherent_probabilities() -> None:
    chain = Hierarchy.from_parents([None, *range(36)])
    model = make("CHMCNN", chain)
    logits = torch.linspace(-8, 8, 500)[:, None].expand(-1, 37).contiguous()
    one_at_a_time = [model.probabilities(Output(row[None], None)) for row in logits]
    assert all(chain.is_coherent(p) for p in one_at_a_time)


@systems
def test_predict_drops_nothing_and_leaves_the_mode(name: str) -> None:
    model = make(name)
    assert model.training
    assert torch.equal(model.predict(X), model.predict(X))
    assert model.training
    assert not model.eval().predict(X).requires_grad
    assert not model.training


@systems
def test_a_saved_and_loaded_model_predicts_the_same(name: str) -> None:
    model = make(name, weight=torch.tensor([0.0, 1, 1, 1, 1]))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = make(name, weight=torch.tensor([0.0, 1, 1, 1, 1]))
    assert not torch.equal(again.predict(X), model.predict(X))
    again.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(again.predict(X), model.predict(X))
    assert torch.equal(copy.deepcopy(model).predict(X), model.predict(X))
    names = {n for n, _ in model.named_parameters()}
    assert set(model.state_dict()) == names


@systems
def test_an_exported_model_predicts_the_same(name: str) -> None:
    model = make(name)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(Predictor(model), (X,), dynamic_shapes=({0: batch},))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    again = torch.export.load(file).module()
    for x in (X, torch.randn(7, 3)):
        assert_close(again(x), model.predict(x))


@systems
def test_a_class_of_weight_0_is_out_of_the_loss(name: str) -> None:
    """Root 1 has weight 0: its target and its heads do not matter."""
    weight = torch.tensor([1.0, 0, 1, 1, 1])
    model = make(name, weight=weight).eval()
    other = CLOSED.clone()
    other[1, 1] = 1
    output = model(X)
    assert_close(model.criterion(output, other), model.criterion(output, CLOSED))
    model.criterion(output, CLOSED).backward()
    head = getattr(model, "head", None)
    if head is not None:
        assert not head.weight.grad[1].any()
        assert head.weight.grad[[0, 2, 3, 4]].any(1).all()


@systems
def test_only_the_proportions_of_the_weights_matter(name: str) -> None:
    torch.manual_seed(1)
    one = make(name, weight=torch.tensor([1.0, 2, 1, 1, 1])).eval()
    torch.manual_seed(1)
    ten = make(name, weight=torch.tensor([10.0, 20, 10, 10, 10])).eval()
    assert_close(ten.criterion(ten(X), CLOSED), one.criterion(one(X), CLOSED))


@systems
def test_a_class_left_out_does_not_thin_the_mean(name: str) -> None:
    """A root above everything, left out, changes no loss in which all scores are equal.

    That of HMC-LMLP is the sum over the two classes of the level.
    """
    h = Hierarchy.from_parents([None, 0, 0])
    model = make(name, h, weight=torch.tensor([0.0, 1, 1]))
    model.start(model.stages - 1)
    flat = torch.zeros(2, 3)
    loss = model.criterion(type(model(X))(flat, flat), torch.tensor([[1, 1, 0], [1, 0, 0]]))
    term = 2 * 0.25 if name == "HMC-LMLP" else torch.tensor(2.0).log().item()
    assert_close(loss.item(), term * (2 if name.startswith("HMCN") else 1))


@systems
def test_unknown_labels_do_not_count(name: str) -> None:
    """The violation of HMCN asks for no labels, so it is left out here."""
    options = {"penalty": 0.0} if name in ("HMCN-R", "HMCN-F") else {}
    model = make(name, **options).eval()
    model.start(min(1, model.stages - 1))  # the level of the last class
    logits = torch.randn(3, 5)

    def loss(last: float, label: int) -> Tensor:
        logits[:, 4] = last
        target = torch.tensor([[1, 1, 1, 0, label]] * 3)
        local = None if model(X).local_logits is None else logits
        return model.criterion(Output(logits, local), target)

    assert_close(loss(-3.0, -1), loss(3.0, -1), rtol=0, atol=0)
    assert loss(-3.0, 0) < loss(3.0, 0)


@systems
def test_targets_are_checked(name: str) -> None:
    model = make(name)
    output = model(X)
    with pytest.raises(ValueError, match=r"closed upward, got '2' = 1 and its ancestor '0' = 0 in"):
        model.criterion(output, torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]))
    with pytest.raises(ValueError, match=r"closed upward, got '3' = 1 and its ancestor '1' = 0"):
        model.criterion(output, torch.tensor([[1, 0, -1, 1, 0]] * 3))
    with pytest.raises(ValueError, match=r"targets of 0, 1 or -1.* got 2 at \[1, 4\]"):
        model.criterion(output, torch.tensor([[0] * 5, [1, 0, 0, 0, 2], [0] * 5]))
    with pytest.raises(ValueError, match=r"a target of shape \(3, 5\), got \(2, 5\)"):
        model.criterion(output, CLOSED[:2])


def test_a_target_on_an_accelerator_is_not_waited_for() -> None:
    logits, target = torch.zeros(3, 5, device="meta"), torch.ones(3, 5, device="meta")
    model = make("HMC-LMLP").to("meta")
    assert model.judged_by(target, logits) is target


@systems
def test_the_same_seed_builds_the_same_model(name: str) -> None:
    torch.manual_seed(3)
    one = make(name)
    torch.manual_seed(3)
    two = make(name)
    assert torch.equal(one.predict(X), two.predict(X))


@systems
def test_wrong_arguments_say_what_was_expected(name: str) -> None:
    with pytest.raises(TypeError, match="expected a Hierarchy, got list"):
        make(name, [("b", "a")])
    with pytest.raises(ValueError, match="expected features above 0, got 0"):
        make(name, features=0)
    with pytest.raises(ValueError, match=r"a weight for each class of shape \(5,\), got \(4,\)"):
        make(name, weight=torch.ones(4))
    with pytest.raises(ValueError, match="not all of them 0, got 0 to 0"):
        make(name, weight=torch.zeros(5))
    with pytest.raises(ValueError, match="got -1 to 1"):
        make(name, weight=torch.tensor([1.0, 1, 1, 1, -1]))
    with pytest.raises(ValueError, match=r"expected a stage from 0 to \d, got 7"):
        make(name).start(7)


@systems
def test_a_model_moves_as_a_whole(name: str) -> None:
    model = make(name, weight=torch.ones(5)).to("meta")
    x = torch.empty(2, 3, device="meta")
    assert model(x).global_logits.device.type == "meta"
    assert {b.device.type for b in model.buffers()} == {"meta"}
    made = make(name).eval()
    expected = made.criterion(made(X), CLOSED)
    for fill in (
        lambda m: m.to_empty(device="cpu").load_state_dict(made.state_dict()),
        lambda m: m.load_state_dict(made.state_dict(), assign=True),
    ):
        model = make(name).eval().to("meta")
        fill(model)
        assert_close(model.criterion(model(X), CLOSED), expected)


@systems
def test_a_model_made_on_meta_is_filled_by_a_checkpoint(name: str) -> None:
    model = make(name)
    with torch.device("meta"):
        hollow = make(name)
    hollow.load_state_dict(model.state_dict(), assign=True)
    assert torch.equal(hollow.predict(X), model.predict(X))


@systems
def test_an_average_of_one_model_is_that_model(name: str) -> None:
    h = Hierarchy.from_parents([None, *[i // 3 for i in range(99)]])
    model = make(name, h, weight=torch.tensor([0.0] + [1.0] * 99))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9999), use_buffers=True)
    for _ in range(5):
        average.update_parameters(model)
    assert_close(average.module.predict(X), model.predict(X))
    target = h.close(torch.rand(3, 100) > 0.9)
    assert_close(*(m.criterion(m(X), target) for m in (average.module.eval(), model.eval())))


@systems
def test_criteria_in_compiled_code(name: str) -> None:
    """In one graph, also of a hierarchy that is new."""
    model = make(name, Hierarchy.from_paths(["a/b", "a/c", "d"])).eval()
    target = torch.tensor([[1, 0, 0, 1], [1, 1, 1, 0], [0, 0, 0, 0]])
    step = torch.compile(
        lambda x: model.criterion(model(x), target), backend="eager", fullgraph=True
    )
    assert_close(step(X), model.criterion(model(X), target))


@systems
def test_double_precision(name: str) -> None:
    model = make(name, weight=torch.ones(5)).double()
    assert model.predict(X.double()).dtype == torch.float64
    assert model.criterion(model(X.double()), CLOSED).dtype == torch.float64


@pytest.mark.slow
@systems
def test_predictions_on_the_gene_ontology_are_coherent(name: str, go: Hierarchy) -> None:
    options = {"hidden": (0.01,)} if name == "HMC-LMLP" else {}
    assert go.is_coherent(make(name, go, **options).predict(X))


def test_an_mlp_is_not_held_back_by_a_class_of_weight_0() -> None:
    h = Hierarchy.from_paths(["root/a", "root/b"])
    model = MLP(h, 3, weight=torch.tensor([0.0, 1, 1]))
    y = h.encode([["root/a"]])
    losses = [
        model.criterion(Output(torch.tensor([[root, 1.0, -1.0]]), None), y)
        for root in (-10.0, 10.0, torch.inf)
    ]
    assert_close(torch.stack(losses), F.softplus(torch.tensor(-1.0)).expand(3))


@pytest.mark.parametrize("name", ["HMCN-F", "HMCN-R"])
def test_a_class_that_was_not_trained_raises_nothing(name: str) -> None:
    h = Hierarchy.from_paths(["a/b", "a/c"])
    model = SYSTEMS[name](h, 5, hidden=4, local_hidden=4, weight=torch.tensor([1.0, 1, 0]))
    logits = torch.tensor([[-2.0, -3.0, 9.0]])
    p = model.constraint(model.probabilities(Output(logits, logits)))
    assert_close(p, torch.tensor([[-2.0, -3.0, -torch.inf]]).sigmoid())


def test_predicting_leaves_each_part_in_its_mode() -> None:
    model = SYSTEMS["CHMCNN"](DAG, 3, hidden=5).train()
    model.network[2].eval()
    modes = [part.training for part in model.modules()]
    model.predict(torch.randn(2, 3))
    probabilities(model, torch.randn(2, 3))
    assert [part.training for part in model.modules()] == modes
    assert not all(modes)


def test_a_penalty_is_a_number() -> None:
    with pytest.raises(ValueError, match="penalty of 0 or more, got nan"):
        SYSTEMS["HMCN-F"](DAG, 3, penalty=float("nan"))
