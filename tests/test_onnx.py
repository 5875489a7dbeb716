"""Models as ONNX files, run by onnxruntime."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import DATA
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

import oracles
import strategies as hl
from hierloss import LMC, MCM, Hierarchy, HybridLoss
from hierloss.checkpoint import MODELS, Checkpoint, build
from hierloss.models import HLSTM, MLP
from hierloss.preprocessing import Standardiser
from hierloss_adapters.arff import read_arff
from hierloss_adapters.onnx import write_onnx

needs = 'pip install "hierloss[onnx]"'
onnx = pytest.importorskip("onnx", reason=needs)
ort = pytest.importorskip("onnxruntime", reason=needs)
pytest.importorskip("onnxscript", reason=needs)

DAG = Hierarchy.from_parents([None, 0, 0, (1, 2), 3, None])


class All(nn.Module):
    """What all layers say, in one number a class."""

    def __init__(self, h: Hierarchy) -> None:
        super().__init__()
        self.layers = nn.ModuleList([MCM(h), LMC(h), LMC(h, closure=True)])

    def forward(self, scores: Tensor) -> Tensor:
        return sum(k * layer(scores) for k, layer in zip((1, 4, 16), self.layers, strict=True))


def run(path: Path | bytes, features: Tensor) -> Tensor:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options)
    (into,) = session.get_inputs()
    (scores,) = session.run(None, {into.name: features.numpy()})
    return torch.from_numpy(scores)


def plain(model: nn.Module, *args: Tensor) -> torch.onnx.ONNXProgram:
    with warnings.catch_warnings():
        # PyTorch's own, about its own code.
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec", FutureWarning)
        return torch.onnx.export(model.eval(), args, dynamo=True, verbose=False)


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_known_values(path: Path) -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    write_onnx(MCM(h), h, torch.zeros(1, 3), path)
    scores = torch.tensor([[0.1, 0.5, 0.3], [-1.0, -3.0, -2.0]])
    assert torch.equal(run(path, scores), torch.tensor([[0.5, 0.5, 0.3], [-1.0, -2.0, -2.0]]))


@settings(max_examples=3)
@given(st.data())
def test_agrees_with_the_oracle(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n, 3)).float()
    write_onnx(All(p.hierarchy), p.hierarchy, torch.zeros(2, p.n), path)
    rows = scores.tolist()
    expected = [
        torch.tensor([f(row) for row in rows])
        for f in (
            lambda row: oracles.mcm(p, row),
            lambda row: oracles.lmc(p, row),
            lambda row: oracles.lmc(p, row, closure=True),
        )
    ]
    assert_close(run(path, scores), expected[0] + 4 * expected[1] + 16 * expected[2])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_types_and_sizes_of_batches(dtype, path: Path) -> None:
    write_onnx(All(DAG), DAG, torch.zeros(1, 6, dtype=dtype), path)
    for size in (0, 1, 2, 9):
        scores = torch.randint(-9, 9, (size, 6)).to(dtype)
        result = run(path, scores)
        assert result.dtype == dtype
        assert torch.equal(result, All(DAG)(scores))


def test_plain_export_of_one_size_does_as_well() -> None:
    scores = torch.randn(4, 6)
    program = plain(All(DAG), scores)
    assert_close(program(scores)[0], All(DAG)(scores))


def test_a_loss_can_be_exported() -> None:
    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.loss = HybridLoss(DAG, validate_targets=False)

        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return self.loss(scores, target)

    scores, target = torch.randn(4, 6), DAG.close((torch.rand(4, 6) < 0.3).float())
    program = plain(Loss(), scores, target)
    assert_close(program(scores, target)[0], Loss()(scores, target))


def test_a_model_predicts_coherently(path: Path) -> None:
    model = HLSTM(DAG, 3)
    write_onnx(model, DAG, torch.randn(2, 3), path)
    assert model.training
    features = torch.randn(33, 3)
    scores = run(path, features)
    assert_close(scores, model.predict(features))
    assert DAG.is_coherent(scores)


def test_the_file_says_what_it_needs(path: Path) -> None:
    h = Hierarchy.from_edges([("κύτταρο", 'a "b"'), ("細胞", "κύτταρο")])
    write_onnx(MCM(h), h, torch.zeros(2, 3), path)
    session = ort.InferenceSession(path)
    (into,), (out,) = session.get_inputs(), session.get_outputs()
    assert (into.name, into.shape) == ("features", ["batch", 3])
    assert (out.name, out.shape) == ("scores", ["batch", 3])
    names = session.get_modelmeta().custom_metadata_map["classes"]
    assert tuple(json.loads(names)) == h.names
    assert {x.domain for x in onnx.load(path).opset_import} == {""}


def test_a_tree_of_the_size_of_funcat(path: Path) -> None:
    h = Hierarchy.from_parents([None] * 18 + [(i - 18) // 4 for i in range(18, 500)])
    model = nn.Sequential(nn.Linear(77, 500), MCM(h), nn.Sigmoid())
    write_onnx(torch.compile(model, backend="eager"), h, torch.randn(2, 77), path)
    features = torch.randn(64, 77)
    assert_close(run(path, features), model(features))
    assert path.stat().st_size < 4 * 78 * 500 + 60_000
    assert operators(path)["ScatterND"] == h.depth
    assert operators(path)["ScatterElements"] == operators(path)["ArgMax"] == 0


def check_both_kinds_of_batches(h: Hierarchy, path: Path) -> None:
    """A batch of one size and of any, each run and as large as the hierarchy, not its square."""
    scores = torch.randn(5, len(h))
    expected = MCM(h)(scores)
    plain(MCM(h), scores).save(path)
    sizes = [path.stat().st_size]
    (into,) = ort.InferenceSession(path).get_inputs()
    assert into.shape == [5, len(h)]
    assert torch.equal(run(path, scores), expected)
    write_onnx(MCM(h), h, torch.zeros(2, len(h)), path)
    sizes.append(path.stat().st_size)
    for size in (1, 5):
        assert torch.equal(run(path, scores[:size]), expected[:size])
    # 8 bytes for each class and edge, and for padding; 15 for a name and its quotes; operators.
    assert max(sizes) < 8 * 1.6 * (len(h) + len(h.edges)) + 16 * len(h) + 80_000


def test_funcat(path: Path) -> None:
    data = DATA / "hmc" / "cellcycle_FUN.train.arff.gz"
    if not data.exists():
        pytest.skip(f"FunCat is not at {data}; set HIERLOSS_DATA to where it is")
    h = read_arff(data).hierarchy
    assert (len(h), h.depth) == (499, 5)
    check_both_kinds_of_batches(h, path)


@pytest.mark.slow
def test_the_whole_gene_ontology(go: Hierarchy, path: Path) -> None:
    check_both_kinds_of_batches(go, path)


def test_the_mode_of_every_module_stays(path: Path) -> None:
    model = nn.Sequential(nn.Dropout(), nn.Dropout().eval(), MCM(DAG))
    write_onnx(model, DAG, torch.randn(2, 6), path)
    assert [m.training for m in (model, *model)] == [True, True, False, True]


class Double(nn.Module):
    """A model that doubles what is below 1, and does not when it is exported."""

    def forward(self, x: Tensor) -> Tensor:
        return x if torch.compiler.is_exporting() else torch.where(x < 1, 2 * x, x)


@pytest.mark.parametrize("small", [0.5, 3e-4])
@pytest.mark.parametrize("greatest", [0.0, 1.0])
def test_what_onnxruntime_computes_differently_is_not_written(
    small: float, greatest: float, path: Path
) -> None:
    features = torch.full((3, 6), small / 2)
    features[:, 0] = greatest
    with pytest.raises(ValueError, match="what PyTorch does for a batch of 3, got other scores"):
        write_onnx(Double(), DAG, features, path)
    assert not path.exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_is_no_number_is_compared_too(dtype, path: Path) -> None:
    features = torch.tensor([[torch.nan, torch.inf, -torch.inf, 0, -0.0, 1e-4]], dtype=dtype)
    for x in (features, features[:, :1].expand(1, 6)):
        write_onnx(nn.Identity(), DAG, x, path)
        assert_close(run(path, x), x, equal_nan=True)


def test_roundings_do_not_matter(path: Path) -> None:
    model = nn.Sequential(nn.Linear(500, 6), nn.Sigmoid(), MCM(DAG)).eval()
    write_onnx(model[:1], DAG, 30 * torch.randn(64, 500), path)
    write_onnx(model, DAG, 30 * torch.randn(64, 500) - 9, path)


def test_what_is_wrong_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(2, 6)
    with pytest.raises(TypeError, match="expected features that are a Tensor, got list"):
        write_onnx(MCM(DAG), DAG, [[0.0]], path)
    with pytest.raises(TypeError, match=r"a torch.nn.Module or a Checkpoint, got str; of a Hier"):
        write_onnx("model", DAG, x, path)
    for wrong in (torch.ones(6), torch.ones(0, 6)):
        with pytest.raises(ValueError, match=r"shape \(samples, \*\)"):
            write_onnx(MCM(DAG), DAG, wrong, path)
    with pytest.raises(ValueError, match=r"scores, \(2, 6\), got \(2, 7\)"):
        write_onnx(nn.Linear(6, 7), DAG, x, path)
    with pytest.raises(ValueError, match=r"scores, \(2, 6\), got tuple"):
        write_onnx(nn.LSTM(6, 6), DAG, x, path)
    with pytest.raises(TypeError, match=r"got torch.bfloat16; pass model.float\(\)"):
        write_onnx(MCM(DAG), DAG, x.bfloat16(), path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "hierloss\[onnx\]"'):
        write_onnx(MCM(DAG), DAG, x, path)
    assert not path.exists()


def test_an_old_pytorch_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)("2.6.0"))
    with pytest.raises(ImportError, match=r"expected PyTorch 2.7 or later, got 2.6.0"):
        write_onnx(MCM(DAG), DAG, torch.zeros(2, 6), path)


def test_answers_of_yes_and_no(path: Path) -> None:
    class Answer(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) > 0

    write_onnx(Answer(MCM(DAG)), DAG, torch.randn(2, 6), path)
    scores = torch.randn(9, 6)
    assert torch.equal(run(path, scores), MCM(DAG)(scores) > 0)


@pytest.mark.parametrize("make", [lambda h: MLP(h, 3, hidden=4), lambda h: nn.Sequential(MCM(h))])
def test_columns_bear_the_names_that_the_model_gives_them(make, tmp_path) -> None:
    h = Hierarchy.from_paths(["a", "b", "c"])
    other = Hierarchy.from_paths(["a", "c", "b"])
    with pytest.raises(ValueError, match="column 1 is 'b', got one where it is 'c'; pass the hier"):
        write_onnx(make(h), other, torch.rand(2, 3), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_model_may_have_layers_of_several_hierarchies(tmp_path) -> None:
    h, other = (Hierarchy.from_paths(paths) for paths in (["a", "b"], ["x", "y"]))
    small = nn.ModuleDict({"unused": MCM(Hierarchy.from_paths(["z"]))})
    model = nn.Sequential(MCM(other), MCM(h))
    model.add_module("small", nn.Identity())
    model[2].inner = small
    write_onnx(model, h, torch.rand(2, 2), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").exists()


def checkpoint_of(name: str, h: Hierarchy, left_out: tuple[str, ...] = ()) -> Checkpoint:
    """An untrained model of features that are far from standardised."""
    standardise = Standardiser(np.array([1e6, -3.0, 0.0]), np.array([7e4, 0.01, 1.0]))
    model = build(name, h, 3, left_out=left_out)
    return Checkpoint(name, {}, model, ("u", "v", "w"), standardise, left_out)


def raw(rows: int) -> Tensor:
    """Features as that checkpoint takes them, some of them missing."""
    x = torch.randn(rows, 3, dtype=torch.float64) * torch.tensor([7e4, 0.01, 1.0])
    return (x + torch.tensor([1e6, -3.0, 0.0])).masked_fill(torch.rand(rows, 3) < 0.2, torch.nan)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_is_written_as_a_whole(name: str, path: Path) -> None:
    h = Hierarchy.from_parents([None, 0, 0, (1, 2), 3, None], names=list("abcdef"))
    checkpoint = checkpoint_of(name, h, left_out=("a", "d"))
    write_onnx(checkpoint, h, raw(3), path)
    features = raw(40)
    assert_close(run(path, features), checkpoint.predict(features.numpy()))
    said = ort.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == checkpoint.classes == ["b", "c", "e", "f"]
    assert json.loads(said["features"]) == ["u", "v", "w"]


def test_a_checkpoint_takes_features_of_float32(path: Path) -> None:
    checkpoint, features = checkpoint_of("MLP", DAG), raw(9).float()
    write_onnx(checkpoint, DAG, features, path)
    assert_close(run(path, features), checkpoint.predict(features.numpy()))


def test_a_row_that_a_checkpoint_refuses_is_nan(path: Path) -> None:
    checkpoint, features = checkpoint_of("MLP", DAG), raw(9)
    write_onnx(checkpoint, DAG, features, path)
    expected = checkpoint.predict(features.numpy())
    expected[4] = torch.nan
    for large in (1e40, torch.inf, -torch.inf):
        features[4, 2] = large
        assert_close(run(path, features), expected, equal_nan=True)
    with pytest.raises(ValueError, match="row 4: expected features that float32 can hold"):
        write_onnx(checkpoint, DAG, features, path)


def test_a_checkpoint_has_a_hierarchy_of_its_own(path: Path) -> None:
    checkpoint = checkpoint_of("MLP", DAG, left_out=("0",))
    kept = Hierarchy.from_parents([None, None, (0, 1), 2, None], names=checkpoint.classes)
    with pytest.raises(ValueError, match="of the model, of 6 classes, got one of 5; pass the hier"):
        write_onnx(checkpoint, kept, raw(2), path)
    with pytest.raises(ValueError, match=r"features of shape \(samples, 3\) as in training"):
        write_onnx(checkpoint, DAG, torch.zeros(2, 4), path)
    assert not path.exists()
