"""Trainings that are stopped and go on, and the runs of the paper."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from filelock import FileLock
from torch import Tensor
from torch.testing import assert_close

from hierloss import Hierarchy, _state
from hierloss._steps import Steps
from hierloss.cli import main
from hierloss.metrics import violation_rate
from hierloss.models import HLSTM, HMCLMLP, MLP, SYSTEMS, Model
from hierloss.paper import training as runs
from hierloss.paper._local import local_outputs
from hierloss.paper.datasets import Dataset, Rows
from hierloss.paper.queue import Outcome, in_order, work
from hierloss.paper.registry import entry
from hierloss.paper.results import rounded
from hierloss.paper.systems import GRIDS, NAMES, STUDIES, published
from hierloss.paper.training import Plan, Task, run
from hierloss.training import Settings, Training, flushed, probabilities, seeded
from hierloss_adapters.arff import Arff

pytest.importorskip("sklearn", reason='scikit-learn is missing; pip install "hierloss[train]"')

TREE = Hierarchy.from_paths(["root/a/b", "root/a/c", "root/d"])
HMCN = ("HMCN-R", "HMCN-F", "HMCN-CHMC")
QUICK = Settings(epochs=4, lr=0.01, seed=3)
BUILD = {
    "CHMCNN": lambda: SYSTEMS["CHMCNN"](TREE, 3, hidden=8),
    "HLSTM": lambda: HLSTM(TREE, 3, hidden=8),
    "HMCN-F": lambda: SYSTEMS["HMCN-F"](TREE, 3, hidden=8, local_hidden=8, batch_norm=True),
    "HMC-LMLP": lambda: HMCLMLP(TREE, 3, hidden=(2.0,)),
}


def rows(samples: int = 22, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features, and labels that follow from them."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 3, generator=random)
    leaves = ["root/a/b", "root/a/c", "root/d"]
    return x, TREE.encode([[leaves[i]] for i in x.argmax(1).tolist()])


def training(build, **options) -> Training:
    with seeded(0):
        model: Model = build()
    settings = options.pop("settings", QUICK)
    return Training(model, rows(), settings, every=0, **options)


def parameters(model: Model) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in model.state_dict().items()}


def same(a: Training, b: Training) -> None:
    assert_close(parameters(a.model), parameters(b.model), rtol=0, atol=0)
    assert [(e.stage, e.epoch, e.loss, e.auprc) for e in a.history] == [
        (e.stage, e.epoch, e.loss, e.auprc) for e in b.history
    ]


@pytest.mark.parametrize("validated", [False, True], ids=["last", "best"])
@pytest.mark.parametrize("name", BUILD)
def test_a_stopped_training_ends_as_one_that_was_not(name, validated, tmp_path) -> None:
    options = {"valid": rows(9, seed=1)} if validated else {}
    settings = Settings(epochs=4, lr=0.01, seed=3, patience=2 if validated else None)
    whole = training(BUILD[name], settings=settings, **options)
    list(whole.epochs())
    state = tmp_path / "state.safetensors"
    for _ in range(50):  # one epoch for each start
        part = training(BUILD[name], settings=settings, state=state, **options)
        torch.rand(3)  # what others draw in the meantime does not matter
        if not list(zip(range(1), part.epochs(), strict=False)):
            break
    same(part, whole)


@pytest.mark.parametrize("validated", [False, True], ids=["last", "best"])
@pytest.mark.parametrize("name", BUILD)
def test_a_training_that_is_lengthened_ends_as_one_that_was_long(name, validated, tmp_path) -> None:
    """In the last of its stages, that is; those before it keep their epochs."""
    x, y = rows(9, seed=1)
    options = {"valid": (x, TREE.close(~y))} if validated else {}
    before, waits = ((2, 3), False) if name == "HMC-LMLP" else ((), validated)
    state = tmp_path / "state.safetensors"
    for last, patience in ((3, 1), (5, 2), (9, 4)):
        how = Settings(epochs=(*before, last), lr=0.05, patience=patience if waits else None)
        part = training(BUILD[name], settings=how, state=state, **options)
        list(part.epochs())
        whole = training(BUILD[name], settings=how, **options)
        list(whole.epochs())
        same(part, whole)


def test_epochs_that_a_training_did_not_have_are_refused(tmp_path) -> None:
    def begun(*epochs: int) -> Training:
        return training(
            BUILD["HMC-LMLP"], settings=Settings(epochs=epochs), state=tmp_path / "state"
        )

    list(zip(range(5), begun(2, 4, 2).epochs(), strict=False))
    for epochs, said in (
        ((3, 4, 2), "stage 1 has the 2 epochs of this file, got such that it has more; give"),
        ((1, 4, 2), "stage 1 has the 2 epochs of this file, got such that it has 1; give"),
        ((2, 2, 2), "stage 2 has the 3 epochs of this file or more, got such that it has 2; give"),
    ):
        with pytest.raises(ValueError, match=f"state: expected epochs and patience .*{said}"):
            begun(*epochs)
    assert len(begun(2, 3, 1).history) == 5


def test_denormal_numbers_are_0_within_a_training_and_not_around_it() -> None:
    small = torch.full((1,), 1e-39)
    seen = []
    with seeded(0):
        model = BUILD["CHMCNN"]()
    model.register_forward_hook(lambda *_: seen.append((small * 1).item()))
    list(Training(model, rows(), Settings(epochs=1)).epochs())
    assert set(seen) == {0}
    assert (small * 1).item() > 0
    with flushed(), flushed():
        pass
    assert (small * 1).item() > 0


def test_a_training_learns_and_lets_other_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    trained = training(BUILD["HLSTM"], settings=Settings(epochs=30, lr=0.02))
    losses = [epoch.loss for epoch in trained.epochs()]
    assert losses[-1] < losses[0] / 2
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", BUILD)
def test_recorded_steps_are_those_of_full_batches_after_an_epoch(name, monkeypatch) -> None:
    replayed = []

    class Graph:
        """In the place of a CUDA graph: it takes the step anew."""

        def __init__(self, steps: Steps) -> None:
            self.steps = steps

        def replay(self) -> None:
            replayed.append(len(self.steps.batch))
            self.steps._step(self.steps.batch)

    monkeypatch.setattr(Steps, "_capture", lambda steps, batch: Graph(steps))
    plain, recorded = training(BUILD[name]), training(BUILD[name])
    for _ in recorded.epochs():
        recorded.steps.recorded = True
    list(plain.epochs())
    same(plain, recorded)
    full, epochs = len(rows()[0]) // 4, QUICK.epochs - 1
    assert replayed == [4] * (plain.model.stages * full * epochs)


def test_a_step_is_recorded_anew_where_the_graph_would_be_wrong(monkeypatch) -> None:
    recorded = []

    def capture(steps: Steps, batch: Tensor) -> SimpleNamespace:
        recorded.append(len(steps.model.history))
        return SimpleNamespace(replay=lambda: steps._step(steps.batch))

    monkeypatch.setattr(Steps, "_capture", capture)
    trained = training(BUILD["HLSTM"], settings=Settings(epochs=7, lr=0.01))
    trained.steps.recorded = True
    trained.model.history = trained.history
    for epoch in trained.epochs():
        if epoch.epoch == 3:
            trained.optimizer.param_groups[0]["lr"] = 0.001
        if epoch.epoch == 5:
            moved = trained.model.head.weight
            moved.data = moved.data.clone()
    assert recorded == [1, 3, 5]


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_a_step_that_cannot_be_recorded_says_what_to_do(error, monkeypatch) -> None:
    def capture(steps: Steps, batch: Tensor) -> None:
        raise error("not permitted when stream is capturing")

    monkeypatch.setattr(Steps, "_capture", capture)
    trained = training(BUILD["HLSTM"])
    trained.steps.recorded = True
    epochs = trained.epochs()
    next(epochs)
    with pytest.raises(error) as raised:
        next(epochs)
    assert ("recorded=False" in str(raised.value)) == (error is RuntimeError)
    assert "when stream is capturing" in str(raised.value)


def test_a_run_trains_where_it_is_told_to(small, tmp_path, monkeypatch) -> None:
    seen = []
    move, build = Rows.to, torch.nn.Module.to
    monkeypatch.setattr(Rows, "to", lambda self, to: (seen.append(("rows", to)), move(self, to))[1])
    monkeypatch.setattr(
        torch.nn.Module, "to", lambda self, to: (seen.append(("model", to)), build(self, to))[1]
    )
    one = plan(tmp_path)._replace(device="cpu:0")
    found = json.loads(run(Task("HLSTM", "Enron", 0), one).read_text())
    assert found["versions"]["device"] == "cpu"
    assert seen.count(("model", "cpu:0")) == 3  # two options and the training
    assert seen.count(("rows", "cpu:0")) == 5  # twice with rows to validate with


def test_another_seed_is_another_training() -> None:
    a, b = (training(BUILD["HLSTM"], settings=Settings(epochs=1, seed=s)) for s in (0, 1))
    assert next(iter(a.epochs())).loss != next(iter(b.epochs())).loss


def test_the_loss_is_the_mean_over_samples() -> None:
    settings = Settings(epochs=1, lr=1e-12, batch=4)
    trained = training(BUILD["HLSTM"], settings=settings)
    epoch = next(trained.epochs())
    model, (x, y) = trained.model, rows()
    assert epoch.loss == pytest.approx(model.criterion(model(x), y).item(), rel=1e-5)


def test_patience_ends_a_stage_with_its_best_epoch() -> None:
    x, y = rows(9, seed=1)
    settings = Settings(epochs=40, lr=0.05, patience=3)
    trained = training(BUILD["HLSTM"], settings=settings, valid=(x, TREE.close(~y)))
    scores = [epoch.auprc for epoch in trained.epochs()]
    best = trained.best_epoch()
    assert best.auprc == max(scores)
    assert len(scores) in (best.epoch + 3, 40)
    again = training(BUILD["HLSTM"], settings=Settings(epochs=best.epoch, lr=0.05))
    list(again.epochs())
    assert_close(parameters(trained.model), parameters(again.model), rtol=0, atol=0)


def test_classes_that_a_stage_does_not_train_do_not_count() -> None:
    trained = training(
        BUILD["HMC-LMLP"], valid=rows(9, seed=1), classes=torch.tensor([0, 1, 1, 1, 1]) > 0
    )
    with pytest.warns(UserWarning, match="no class that stage 1 of 3 learns"):
        history = list(trained.epochs())
    assert {epoch.stage for epoch in history} == {0, 1, 2}
    assert np.isnan([epoch.auprc for epoch in history if epoch.stage == 0]).all()
    assert all(epoch.auprc > 0 for epoch in history if epoch.stage)


def test_probabilities_do_not_depend_on_the_block() -> None:
    model = BUILD["CHMCNN"]().train()
    x, _ = rows()
    assert_close(probabilities(model, x, block=2), probabilities(model, x))
    assert model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs of 1 or more"),
        ({"epochs": ()}, "epochs of 1 or more"),
        ({"lr": 0.0}, "lr above 0"),
        ({"batch": 0}, "batch above 0"),
        ({"patience": 0}, "patience above 0"),
    ],
)
def test_settings_are_checked(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**options)


@pytest.mark.parametrize(
    "options",
    [{"epochs": 2.5}, {"epochs": (1, 2.0)}, {"batch": 4.0}, {"patience": 1.5}, {"seed": 0.0}],
)
def test_counts_are_whole_numbers(options) -> None:
    with pytest.raises(TypeError, match=f"expected {next(iter(options))} to be a whole number"):
        Settings(**options)


def test_epochs_are_those_of_the_stages_there_are() -> None:
    for name, epochs in (("HMC-LMLP", (1,)), ("HLSTM", (1, 2))):
        with pytest.raises(ValueError, match=r"expected epochs for \d stages, got \(1"):
            training(BUILD[name], settings=Settings(epochs=epochs))


@pytest.mark.parametrize("what", ["train", "valid"])
def test_rows_are_dense(what: str) -> None:
    x, y = rows(8)
    both = {"train": (x, y), "valid": (x, y), what: (x, y.to_sparse())}
    with pytest.raises(ValueError, match=f"expected dense tensors in {what}, got a sparse one"):
        Training(HLSTM(TREE, 3, hidden=4), both["train"], Settings(), valid=both["valid"])


def test_a_model_of_bfloat16_is_trained_and_resumed(tmp_path) -> None:
    x, y = rows()
    state = str(tmp_path / "state.safetensors")

    def begun() -> Training:
        with seeded(0):
            model = BUILD["CHMCNN"]().bfloat16()
        return Training(model, (x.bfloat16(), y), QUICK, state=state, every=0)

    whole = begun()
    list(whole.epochs())
    resumed = begun()
    assert [e.loss for e in resumed.history] == [e.loss for e in whole.history]
    assert_close(parameters(resumed.model), parameters(whole.model), rtol=0, atol=0)
    assert whole.history[-1].loss < whole.history[0].loss


@pytest.mark.parametrize("what", ["train", "valid"])
def test_rows_have_a_target_each(what: str) -> None:
    x, y = rows(8)
    both = {"train": (x, y), "valid": (x, y), what: (x[:4], y)}
    with pytest.raises(ValueError, match=f"of targets in {what}, got 4 and 8"):
        Training(HLSTM(TREE, 3, hidden=4), both["train"], Settings(), valid=both["valid"])


def test_patience_needs_validation_rows() -> None:
    with pytest.raises(ValueError, match="validation rows beside patience"):
        training(BUILD["HLSTM"], settings=Settings(patience=1))


def test_a_loss_that_is_no_number_is_an_error() -> None:
    x, y = rows()
    x[0] = torch.nan
    with pytest.raises(ValueError, match="finite loss"):
        list(Training(BUILD["HLSTM"](), (x, y), QUICK).epochs())


def test_the_state_of_another_training_is_refused(tmp_path) -> None:
    state = tmp_path / "state.safetensors"
    list(training(BUILD["HLSTM"], state=state).epochs())
    with pytest.raises(ValueError, match="that of another one"):
        training(BUILD["HLSTM"], settings=replace(QUICK, lr=0.02), state=state)
    state.write_bytes(state.read_bytes()[:-20])
    with pytest.raises(ValueError, match="written by hierloss"):
        training(BUILD["HLSTM"], state=state)


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        ({"weight": torch.tensor([0.0, 1, 1, 1, 1])}, None),
        ({"hierarchy": Hierarchy.from_edges(TREE.edges[:-1], TREE.names)}, None),
        ({"balance": 0.4}, None),
        ({}, torch.tensor([False, True, True, True, True])),
    ],
    ids=["weight", "edges", "loss", "classes"],
)
def test_a_training_is_another_one_by_what_does_not_show_in_its_parameters(
    options, classes, tmp_path
) -> None:
    def build(hierarchy: Hierarchy = TREE, **options: object) -> Model:
        return HLSTM(hierarchy, 3, hidden=8, **options)

    state = tmp_path / "state.safetensors"
    list(training(build, state=state, valid=rows(12, 1)).epochs())
    training(build, state=state, valid=rows(12, 1))
    with pytest.raises(ValueError, match="that of another one"):
        training(lambda: build(**options), state=state, valid=rows(12, 1), classes=classes)


def test_an_empty_tensor_tells_nothing_of_a_training() -> None:
    model, x = BUILD["HLSTM"](), torch.ones(3)
    told = [_state.fingerprint(QUICK, model, x, *more) for more in ((), (torch.ones(2, 3)[:, :0],))]
    assert told[0] == told[1]


def pets(samples: int, seed: int) -> Arff:
    x, y = rows(samples, seed)
    features = x.double().numpy()
    features[0, 0] = np.nan
    labels = tuple(names[-1:] for names in TREE.decode(y))
    return Arff("pets", TREE, features, ("u", "v", "w"), {"u": (), "v": (), "w": ()}, labels)


@pytest.fixture
def small(monkeypatch) -> list[str]:
    """A data set of three features in place of all others, and which of them were loaded."""
    loaded = []

    def load(name: str) -> Dataset:
        loaded.append(name)
        splits = {"train": pets(30, 0), "valid": pets(12, 1), "test": pets(15, 2)}
        weight = torch.tensor([0.0, 1, 1, 1, 1])
        return Dataset(entry(name), weight, splits, ("pets.rebuilt.arff",))

    monkeypatch.setattr(runs, "load", load)
    tiny = {
        x: tuple({**o, **({"hidden": 4} if "hidden" in o else {})} for o in g)
        for x, g in GRIDS.items()
    }
    monkeypatch.setattr(runs, "GRIDS", tiny)
    monkeypatch.setattr(runs, "published", lambda name: {"hidden": 8, "epochs": 3, "lr": 1e-3})
    return loaded


def plan(folder: Path) -> Plan:
    few = {"most": 3, "patience": 2, "patience_on_dag": 2, "study": 4}
    return Plan(folder / "results", folder / "states", **few, every=0)


def without_times(path: Path) -> dict[str, object]:
    found = json.loads(path.read_text())
    found["curve"] = [{**e, "seconds": 0} for e in found["curve"]]
    found["grid"] = [{**e, "seconds": 0} for e in found["grid"]]
    return {**found, "seconds": 0, "seconds_per_epoch": 0}


@pytest.mark.parametrize("system", NAMES)
def test_a_run_leaves_its_result_and_nothing_else(system, small, tmp_path) -> None:
    path = run(Task(system, "Enron", 0), plan(tmp_path))
    assert path == tmp_path / "results" / system / "Enron.0.json"
    found = json.loads(path.read_text())
    assert [found[key] for key in ("system", "dataset", "seed")] == [system, "Enron", 0]
    assert found["chosen_on"] == ("published" if system == "CHMCNN" else "validation")
    assert len(found["grid"]) == len(GRIDS[system])
    assert 0 < found["auprc"] <= 1
    assert 0 < found["auprc_clus"] <= 1
    assert found["violation_rate"] == 0 or system in ("HMCN-R", "HMCN-F")
    assert found["rebuilt"] == ["pets.rebuilt.arff"]
    local = {"auprc_local", "dead_local_units"}
    assert local & set(found) == (local if system in ("HLSTM", *HMCN) else set())
    assert found["seconds"] > 0
    assert set(found["versions"]) == {
        "device",
        "python",
        "torch",
        "numpy",
        "scikit-learn",
        "hierloss",
    }
    epochs = found["settings"].get("epochs", 0)
    numbers = [epoch["epoch"] for epoch in found["curve"]]
    assert numbers == [*range(1, 1 + (sum(epochs) if isinstance(epochs, list) else epochs))]
    assert path.stat().st_size < 10_000
    assert not list((tmp_path / "states").rglob("*.safetensors"))


def test_what_became_of_the_local_outputs() -> None:
    x, _ = rows(7)
    model = HLSTM(TREE, 3, hidden=4)
    with torch.no_grad():
        for step in model.local.transitions:
            step[0].bias.copy_(torch.tensor([-9.0, 9, 9, -9]))
        model.local.transitions[1][0].bias.fill_(-9)
    scores, dead = local_outputs(model, x)
    assert model.training
    assert dead == pytest.approx(8 / 12)
    root, a, d, b, c = model(x).local_logits.unbind(-1)
    a, d = torch.minimum(root, a), torch.minimum(root, d)
    expected = torch.stack([root, a, d, torch.minimum(a, b), torch.minimum(a, c)], -1)
    assert_close(scores, expected.sigmoid())
    linear = HLSTM(TREE, 3, hidden=4, transition="linear")
    linear.load_state_dict(model.state_dict())
    assert local_outputs(linear, x).dead == 0  # below 0 is not dead there
    assert local_outputs(BUILD["CHMCNN"](), x) is None


def test_a_finished_run_is_not_repeated(small, tmp_path) -> None:
    path = run(Task("CHMCNN", "Enron", 0), plan(tmp_path))
    written = path.stat().st_mtime_ns
    run(Task("CHMCNN", "Enron", 0), plan(tmp_path))
    assert path.stat().st_mtime_ns == written
    assert small == ["Enron"]


@pytest.mark.parametrize("system", ["HLSTM", "CHMCNN", "HMC-LMLP"])
def test_a_run_that_is_stopped_again_and_again_has_the_same_result(
    system, small, tmp_path, monkeypatch
) -> None:
    task = Task(system, "Enron", 1)
    whole = without_times(run(task, plan(tmp_path / "whole")))
    calls = 0

    def stop(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls % 14 == 0:  # an epoch has 11 steps
            raise KeyboardInterrupt

    for _ in range(100):
        try:
            path = run(task, plan(tmp_path / "parts"), stop)
            break
        except KeyboardInterrupt:
            continue
    assert calls > 28
    assert without_times(path) == whole


def test_a_choice_has_more_patience_on_a_dag(small, tmp_path) -> None:
    for dataset, patience in (("Enron", 1), ("cellcycle_GO", 4)):
        asked = plan(tmp_path)._replace(most=40, patience=1, patience_on_dag=4)
        found = json.loads(run(Task("HLSTM", dataset, 0), asked).read_text())
        for tried in found["grid"]:
            assert (tried["most"], tried["patience"]) == (40, patience)
            assert len(tried["curve"]) == tried["epochs"] + patience < 40
        assert not {"most", "patience"} & set(found["settings"])


@pytest.mark.parametrize("other", [{"patience": 3}, {"most": 2}])
def test_a_choice_of_another_plan_is_made_anew(other, small, tmp_path) -> None:
    first, phases = plan(tmp_path), set()

    def stop(phase: str, *_: float) -> None:
        phases.add(phase)
        if phase == "training":
            raise KeyboardInterrupt

    for i, asked in enumerate((first, first, first._replace(**other))):
        phases.clear()
        with pytest.raises(KeyboardInterrupt):
            run(Task("HLSTM", "Enron", 0), asked, stop)
        assert ("choice 1 of 2" in phases) == (i != 1)


def test_what_was_tried_waits_beside_the_results(small, tmp_path, monkeypatch) -> None:
    """Without the folder of states, with numbers that JSON writes otherwise, and until the end."""
    monkeypatch.setitem(runs.GRIDS, "HMC-LMLP", ({"hidden": (2 / 3, 0.5)},))
    folder = tmp_path / "results" / "HMC-LMLP"
    begun = []

    def stop(phase: str, *_: float) -> None:
        begun.append(phase)
        if phase == "training":
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(Task("HMC-LMLP", "Enron", 0), plan(tmp_path), stop)
        assert [x.name for x in folder.iterdir()] == ["Enron.choice0.json"]
        shutil.rmtree(tmp_path / "states")
    assert begun.count("training") == 2
    assert begun[begun.index("training") :] == ["training", "training"]  # no second choice
    run(Task("HMC-LMLP", "Enron", 0), plan(tmp_path))
    assert [x.name for x in folder.iterdir()] == ["Enron.0.json"]


def test_other_seeds_take_over_the_choice(small, tmp_path) -> None:
    first = json.loads(run(Task("HLSTM", "Enron", 0), plan(tmp_path)).read_text())
    elsewhere = plan(tmp_path)._replace(states=tmp_path / "others")
    second = json.loads(run(Task("HLSTM", "Enron", 1), elsewhere).read_text())
    assert [first[x] for x in ("settings", "grid")] == [second[x] for x in ("settings", "grid")]
    assert first["curve"][0]["loss"] != second["curve"][0]["loss"]


def test_tied_parameters_are_written(tmp_path) -> None:
    class Tied(MLP):
        def __init__(self) -> None:
            super().__init__(TREE, 3, hidden=3, layers=3)
            self.network[3].weight = self.network[0].weight

    state = tmp_path / "state.safetensors"
    whole = list(training(Tied).epochs())
    next(training(Tied, state=state).epochs())
    resumed = training(Tied, state=state)
    list(resumed.epochs())
    assert [x.loss for x in resumed.history] == [x.loss for x in whole]


def test_a_stage_that_validation_rows_do_not_know_keeps_its_last_epoch() -> None:
    """Patience and the best epoch need an AU(PRC); its first epoch would be as good as nothing."""
    x, y = rows()
    above = (x, y * (torch.tensor(TREE.levels) < 1))
    quick = Settings(epochs=6, patience=2, lr=0.01)
    found = training(BUILD["HMC-LMLP"], valid=above, settings=quick)
    with pytest.warns(UserWarning, match="no class that stage [23] of 3 learns") as told:
        list(found.epochs())
    assert len(told) == 2
    plain = training(
        BUILD["HMC-LMLP"], settings=Settings(epochs=(found.best_epoch(0).epoch, 6, 6), lr=0.01)
    )
    list(plain.epochs())
    assert [found.best_epoch(stage).epoch for stage in (1, 2)] == [6, 6]
    for name, value in found.model.state_dict().items():
        assert_close(value, plain.model.state_dict()[name])


def test_other_models_are_trained_elsewhere() -> None:
    with pytest.raises(TypeError, match=r"a model of hierloss.models, got Linear; train others"):
        training(lambda: torch.nn.Linear(3, 5))


def test_the_best_epoch_of_a_stage_that_has_not_begun() -> None:
    with pytest.raises(ValueError, match="expected a stage that has had an epoch, got 0"):
        training(BUILD["CHMCNN"]).best_epoch()


def test_a_choice_is_made_once_and_waited_for(small, tmp_path) -> None:
    """A run that finds another one at the same choice waits, and then takes that."""
    one, two = plan(tmp_path)._replace(results=tmp_path / "one"), plan(tmp_path)
    path = run(Task("HLSTM", "Enron", 0), one)
    first = json.loads(path.read_text())
    lock = FileLock(tmp_path / "states" / "HLSTM" / "Enron.choice.lock")
    lock.acquire()
    phases = []

    def progress(phase: str, done: float, total: float) -> None:
        phases.append(phase)
        if lock.is_locked:
            shutil.copytree(one.results, two.results)
            lock.release()

    second = json.loads(run(Task("HLSTM", "Enron", 1), two, progress).read_text())
    assert phases[0] == "waits for the choice of another run"
    assert not any(phase.startswith("choice") for phase in phases)
    assert first["grid"] == second["grid"]


def test_runs_of_one_data_set_do_not_keep_each_other_from_running(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HIERLOSS_DATA", str(tmp_path / "none"))
    both = [Task("CHMCNN", "Enron", seed) for seed in (0, 1)]
    with FileLock(tmp_path / "states" / "CHMCNN" / "Enron.0.lock"):
        outcome = work(both, Plan(tmp_path / "results", tmp_path / "states"), jobs=2)
    assert outcome.left == both[:1]
    assert list(outcome.failed) == both[1:]


def test_a_study_is_judged_on_the_validation_rows_after_each_epoch(small, tmp_path) -> None:
    base = json.loads(run(Task("HLSTM", "Enron", 0), plan(tmp_path)).read_text())
    path = run(Task("HLSTM-balance-0.1", "Enron", 0), plan(tmp_path))
    found = json.loads(path.read_text())
    assert path.parent.name == "HLSTM-balance-0.1"
    assert found["system"] == "HLSTM"
    assert found["settings"] == {**base["settings"], "balance": 0.1, "epochs": 4}
    assert found["grid"] == base["grid"]
    assert (base["judged_on"], found["judged_on"]) == ("test", "validation")
    scores = [epoch["auprc"] for epoch in found["curve"]]
    assert len(scores) == 4
    assert found["auprc"] == max(scores)


def test_every_study_can_be_built() -> None:
    for study in STUDIES.values():
        SYSTEMS[study.system](TREE, 3, **{"hidden": 4, **study.options})


def test_the_published_settings_are_those_of_every_data_set() -> None:
    assert published("seq_GO") == {"hidden": 9000, "epochs": 45, "lr": 1e-4}
    assert published("Diatoms")["lr"] == 1e-5
    with pytest.raises(ValueError, match="got 'nothing'"):
        published("nothing")


def test_a_run_that_is_named_twice_is_one() -> None:
    tasks = in_order(["HLSTM", "HLSTM"], ["Enron", "Enron"], [0, 0])
    assert tasks == [Task("HLSTM", "Enron", 0)]


def test_runs_come_in_order_of_worth() -> None:
    tasks = in_order()
    studies = tasks[20 * 8 * 3 :]
    assert len(studies) == 3 * sum(len(study.datasets) for study in STUDIES.values())
    assert {task.system for task in studies} == set(STUDIES)
    assert len(set(tasks)) == len(tasks)
    assert {task.system for task in tasks[:60]} == {"HLSTM", "CHMC-LSTM", "CHMCNN"}
    assert {task.seed for task in tasks[:160]} == {0}
    with pytest.raises(ValueError, match="expected a system"):
        in_order(["none"])
    with pytest.raises(ValueError, match="expected a data set"):
        in_order(datasets=["none"])
    with pytest.raises(ValueError, match="expected one of"):
        run(Task("none", "Enron", 0), Plan(Path(), Path()))


def test_a_queue_passes_over_what_is_there_and_reports_what_fails(tmp_path, monkeypatch) -> None:
    there, broken = Task("CHMCNN", "Enron", 0), Task("CHMCNN", "Enron", 1)
    results = tmp_path / "results"
    there.result(results).parent.mkdir(parents=True)
    there.result(results).write_text("{}")
    monkeypatch.setenv("HIERLOSS_DATA", str(tmp_path / "none"))
    outcome = work([there, broken], Plan(results, tmp_path / "states"), jobs=2)
    assert outcome.done == [there]
    assert "expected a folder in HIERLOSS_DATA" in outcome.failed[broken]
    stopped = work([broken], Plan(results, tmp_path / "states"), until=0)
    assert stopped.left == [broken]
    with pytest.raises(ValueError, match="jobs"):
        work([there], Plan(results, tmp_path), jobs=0)


def test_numbers_are_rounded_and_edges_of_a_root_left_out_do_not_count() -> None:
    assert rounded({"a": (1 / 3, float("nan")), "b": 2}) == {"a": [0.333333, None], "b": 2}
    scores = torch.tensor([[0.1, 0.5, 0.6, 0.4, 0.7]])
    assert TREE.violations(scores).sum() == 3
    assert violation_rate(scores, TREE, torch.tensor([0, 1, 1, 1, 1]) > 0) == 0.5


def test_the_command_says_what_is_left_and_runs_it(tmp_path, monkeypatch) -> None:
    def paper_run(*options: str) -> Result:
        which = ["-s", "CHMCNN", "-d", "Enron", "-d", "Diatoms", "--seed", "0"]
        where = ["--results", str(tmp_path), "--states", str(tmp_path / "states")]
        return CliRunner().invoke(main, ["paper", "run", *which, *where, *options])

    done = Task("CHMCNN", "Enron", 0).result(tmp_path)
    done.parent.mkdir()
    done.write_text("{}")
    assert paper_run("--list").output == "CHMCNN/Diatoms.0\n"
    seen = []

    def worked(tasks, plan, **how) -> Outcome:
        seen.append((tasks, plan, how["jobs"], how["until"]))
        return Outcome(tasks[:1], {}, tasks[1:])

    monkeypatch.setattr("hierloss.paper.queue.work", worked)
    result = paper_run("--jobs", "2", "--until", "0.5", "--device", "cpu:0")
    assert "1 runs have a result, 0 failed, 1 are left" in result.output
    assert result.exit_code == 0
    tasks, plan, jobs, until = seen[0]
    assert sorted(map(str, tasks)) == ["CHMCNN/Diatoms.0", "CHMCNN/Enron.0"]
    assert (plan.device, jobs, until) == ("cpu:0", 2, 0.5)
    refused = paper_run("--device", "nosuch")
    assert refused.exit_code == 2
    assert "expected a device that is there, such as cpu, got 'nosuch'" in refused.output
