"""Training with Lightning: one process, two processes, checkpoints, and what is logged."""

from __future__ import annotations

import pickle
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from hierloss import MCM, Hierarchy, HybridLoss, MCLoss
from hierloss.metrics import average_precision, hierarchical_scores, violation_rate
from hierloss.models import HLSTM, HMCLMLP, HMCNF, Output
from launch import launch

pytest.importorskip("lightning", reason='needs pip install "hierloss[lightning]"')

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping

from hierloss_adapters.lightning import HierarchicalMetrics, HierarchicalModule

pytestmark = [
    # Lightning 2.6 asks PyTorch in a way that PyTorch 2.13 deprecates.
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
    # A few rows in memory need no workers; no argument of the Trainer says so.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]

H = Hierarchy.from_edges(
    [("A", "R"), ("B", "R"), ("C", "A"), ("C", "B"), ("D", "A")], names=list("RABCD")
)
BELOW = torch.tensor([False, True, True, True, True])


def rows(n: int = 16, seed: int = 0) -> TensorDataset:
    g = torch.Generator().manual_seed(seed)
    leaves = torch.nn.functional.one_hot(torch.randint(0, 5, (n,), generator=g), 5)
    return TensorDataset(torch.randn(n, 6, generator=g), H.close(leaves).float())


def loader(data: TensorDataset, batch_size: int = 4) -> DataLoader[Any]:
    return DataLoader(data, batch_size=batch_size)


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 5)


def module(**options: Any) -> HierarchicalModule:
    options = {"lr": 0.1, "optimizer": torch.optim.SGD} | options
    return HierarchicalModule(options.pop("network", None) or linear(), H, **options)


def make_trainer(folder: Path, **options: Any) -> Trainer:
    defaults = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "logger": False,
        "log_every_n_steps": 1,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    return Trainer(**(defaults | options))


class Headed(nn.Module):
    """Two heads, as a network of `hierloss.models` has, that is no model of them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = linear(), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Output:
        return Output(self.one(x), self.two(x))


class InOrder(LightningDataModule):
    """Rows dealt out to the processes in their order, where Lightning would shuffle them."""

    def train_dataloader(self) -> DataLoader[Any]:
        return self._dealt(rows(), 8)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._dealt(rows(12, seed=1), 6)

    def _dealt(self, data: TensorDataset, batch_size: int) -> DataLoader[Any]:
        size, rank = self.trainer.world_size, self.trainer.global_rank
        sampler = DistributedSampler(data, num_replicas=size, rank=rank, shuffle=False)
        return DataLoader(data, batch_size=batch_size // size, sampler=sampler)


def by_hand(network: nn.Module, data: TensorDataset, epochs: int, batch_size: int) -> list[Tensor]:
    """The parameters after plain stochastic gradient descent."""
    criterion, optimizer = HybridLoss(H), torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(epochs):
        for x, y in loader(data, batch_size):
            optimizer.zero_grad()
            criterion(network(x), y).backward()
            optimizer.step()
    return [p.detach() for p in network.parameters()]


def test_it_trains_as_a_loop_does(tmp_path: Path) -> None:
    trained = module()
    trainer = make_trainer(tmp_path)
    trainer.fit(trained, loader(rows()), loader(rows()))
    one = by_hand(linear(), rows(), 2, 4)
    assert_close([p.detach() for p in trained.network.parameters()], one)
    last = TensorDataset(*rows()[:12])
    before = linear()
    by_hand(before, rows(), 1, 4)
    by_hand(before, last, 1, 4)
    x, y = rows()[12:]
    assert_close(trainer.callback_metrics["train_loss"], HybridLoss(H)(before(x), y).detach())


def expected(network: nn.Module, data: TensorDataset, classes: Tensor | None) -> dict[str, float]:
    x, y = data.tensors
    with torch.no_grad():
        logits = network(x)
    p = MCM(H)(logits.sigmoid())
    return {
        "loss": float(HybridLoss(H)(logits, y)),
        "auprc": average_precision(p, y, classes),
        "f": hierarchical_scores(p > 0.5, y, H, classes).f,
        "violation_rate": violation_rate(logits, H, classes),
    }


@pytest.mark.parametrize("classes", [None, BELOW])
def test_logged_metrics_are_those_of_the_whole_set(tmp_path: Path, classes) -> None:
    data = rows(14, seed=1)
    callbacks: list[Callback] = [HierarchicalMetrics(H, classes=classes)]
    trainer = make_trainer(tmp_path, callbacks=callbacks)
    untrained, wanted = module(), expected(linear(), data, classes)
    for stage, evaluate in (("val", trainer.validate), ("test", trainer.test)):
        for _ in range(2):  # the second time as if there had been no first
            (found,) = evaluate(untrained, loader(data, 5), verbose=False)
            assert_close(found, {f"{stage}_{k}": v for k, v in wanted.items()})
    trainer.fit(untrained, loader(rows()), loader(data, 5))
    logged = {k: v.item() for k, v in trainer.callback_metrics.items() if k != "train_loss"}
    after = expected(untrained.network, data, classes)
    assert_close(logged, {f"val_{k}": v for k, v in after.items()})
    assert after != wanted


def test_binned_areas_and_thresholds_of_the_f(tmp_path: Path) -> None:
    data = rows(14, seed=1)
    callback = HierarchicalMetrics(H, thresholds=2001, threshold=0.4)
    trainer = make_trainer(tmp_path, callbacks=[callback])
    (found,) = trainer.validate(module(), loader(data), verbose=False)
    p = MCM(H)(linear()(data.tensors[0]).sigmoid())
    exact = average_precision(p, data.tensors[1])
    assert found["val_auprc"] == pytest.approx(exact, abs=0.01)
    assert_close(found["val_f"], hierarchical_scores(p > 0.4, data.tensors[1], H).f)


def test_each_loader_has_its_own_metrics(tmp_path: Path) -> None:
    first, second = rows(6, seed=1), rows(9, seed=2)
    trainer = make_trainer(tmp_path, callbacks=[HierarchicalMetrics(H)])
    found = trainer.validate(module(), [loader(first), loader(second)], verbose=False)
    for i, data in enumerate((first, second)):
        wanted = expected(linear(), data, None).items()
        named = {f"val_{name}/dataloader_idx_{i}": value for name, value in wanted}
        assert_close({name: found[i][name] for name in named}, named)
    assert len(trainer.callback_metrics) == 8


def test_metrics_can_be_monitored(tmp_path: Path) -> None:
    stop = EarlyStopping("val_auprc", mode="max", patience=1, min_delta=1.0)
    trainer = make_trainer(tmp_path, max_epochs=9, callbacks=[HierarchicalMetrics(H), stop])
    trainer.fit(module(), loader(rows()), loader(rows(8, seed=1)))
    assert trainer.current_epoch == 2


def test_a_network_that_diverged_stops_early(tmp_path: Path) -> None:
    stop = EarlyStopping("val_auprc", mode="max", check_finite=True)
    trainer = make_trainer(tmp_path, max_epochs=9, callbacks=[HierarchicalMetrics(H), stop])
    network = linear()
    with torch.no_grad():
        network.bias[2] = torch.nan
    trainer.fit(module(network=network), loader(rows()), loader(rows(8, seed=1)))
    assert trainer.current_epoch == 1
    logged = {k: v for k, v in trainer.callback_metrics.items() if k.startswith("val_")}
    assert len(logged) == 4
    assert all(value.isnan() for value in logged.values())


def test_several_callbacks_have_names_of_their_own(tmp_path: Path) -> None:
    data = rows(14, seed=1)
    callbacks = [HierarchicalMetrics(H), HierarchicalMetrics(H, classes=BELOW, prefix="below_")]
    trainer = make_trainer(tmp_path, callbacks=callbacks)
    (found,) = trainer.validate(module(), loader(data), verbose=False)
    wanted = {f"val_{k}": v for k, v in expected(linear(), data, None).items()}
    below = expected(linear(), data, BELOW)
    del below["loss"]
    assert_close(found, wanted | {f"val_below_{k}": v for k, v in below.items()})
    trainer = make_trainer(tmp_path, callbacks=[callbacks[1], *callbacks])
    with pytest.raises(ValueError, match="for each prefix, got several with 'below_'"):
        trainer.validate(module(), loader(data), verbose=False)


def test_predictions_are_coherent(tmp_path: Path) -> None:
    data = rows(8)
    network = nn.Linear(6, 5)
    trainer = make_trainer(tmp_path)
    own = network(data.tensors[0]).sigmoid()
    assert not H.is_coherent(own)
    for batches in (loader(data), DataLoader(data.tensors[0], batch_size=4)):
        predicted = torch.cat(trainer.predict(module(network=network), batches))
        assert_close(predicted, MCM(H)(own.detach()))


def test_a_checkpoint_loads_without_pickle(tmp_path: Path) -> None:
    trained = module(lr=0.05)
    trainer = make_trainer(tmp_path)
    trainer.fit(trained, loader(rows()), loader(rows()))
    path = tmp_path / "last.ckpt"
    trainer.save_checkpoint(path)
    assert torch.load(path, weights_only=True)["hyper_parameters"] == {"lr": 0.05}
    load = partial(HierarchicalModule.load_from_checkpoint, path, weights_only=True)
    loaded = load(network=nn.Linear(6, 5), hierarchy=H)
    assert loaded.hparams.lr == 0.05
    x = rows().tensors[0]
    assert_close(loaded(x), trained(x))
    assert load(network=nn.Linear(6, 5), hierarchy=H, lr=0.2).hparams.lr == 0.2
    again = module()
    make_trainer(tmp_path, max_epochs=4).fit(again, loader(rows()), loader(rows()), ckpt_path=path)
    assert again.hparams.lr == 0.1
    whole = module(lr=0.05)
    make_trainer(tmp_path, max_epochs=4).fit(whole, loader(rows()), loader(rows()))
    assert_close(again(x), whole(x))


def test_a_checkpoint_of_another_hierarchy_is_an_error(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, max_epochs=1, limit_train_batches=1)
    trainer.fit(module(), loader(rows()), loader(rows()))
    path = tmp_path / "last.ckpt"
    trainer.save_checkpoint(path)
    load = partial(HierarchicalModule.load_from_checkpoint, path, network=linear())
    with pytest.raises(ValueError, match="got one of 5 classes, or in another order"):
        load(hierarchy=Hierarchy.from_edges(H.edges, names=list("RABDC")))
    with pytest.raises(ValueError, match="got one with other edges"):
        load(hierarchy=Hierarchy.from_edges(H.edges[:-1], names=list("RABCD")))


def test_losses_of_others_get_floating_point() -> None:
    x, y = rows().tensors
    bce = nn.BCEWithLogitsLoss()
    made, wanted = module(loss=bce), bce(linear()(x), y)
    for target in (y, y.bool(), y.to(torch.int8), y.long().to_sparse()):
        assert_close(made.criterion(made.output(x), target), wanted)
    unknown = y.to(torch.int8).index_fill(0, torch.tensor(3), -1)
    assert made.criterion(made.output(x), unknown).isnan()  # not as if -1 were a label
    assert_close(
        module(loss=lambda *args: MCLoss(H)(*args)).criterion(made.output(x), unknown),
        MCLoss(H)(linear()(x), unknown),
    )


def test_a_schedule_takes_a_step_after_each_epoch(tmp_path: Path) -> None:
    rates = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer, *args: object) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    scheduler = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    trainer = make_trainer(tmp_path, callbacks=[Rates()])
    trainer.fit(module(scheduler=scheduler), loader(rows(8)), loader(rows(8)))
    assert rates == [0.1, 0.1, 0.05, 0.05]


def test_samples_may_have_weights(tmp_path: Path) -> None:
    x, y = rows().tensors
    weight = torch.rand(len(x))
    one, two = Headed()(x)
    made = module(network=Headed())
    output = Output(one, two)
    expected = HybridLoss(H)(one, y, local_input=two, sample_weight=weight)
    assert_close(made.criterion(output, y, weight), expected)
    data = TensorDataset(x, y, weight)
    trainer = make_trainer(tmp_path, max_epochs=1, callbacks=[HierarchicalMetrics(H)])
    trainer.fit(module(), loader(data), loader(data))
    (found,) = trainer.validate(module(), DataLoader(data, len(data)), verbose=False)
    assert found["val_loss"] == pytest.approx(
        HybridLoss(H)(linear()(x), y, sample_weight=weight).item()
    )
    assert found["val_loss"] != pytest.approx(HybridLoss(H)(linear()(x), y).item())
    with pytest.raises(TypeError, match="without weights for the own loss of HLSTM, got weights"):
        module(network=HLSTM(H, 6, hidden=4)).criterion(output, y, weight)
    with pytest.raises(TypeError, match=r"takes sample_weight, .* got BCEWithLogits"):
        module(loss=nn.BCEWithLogitsLoss()).criterion(Output(one, None), y, weight)


def test_losses_and_heads() -> None:
    x, y = rows().tensors
    network = Headed()
    one, two = network(x)
    cases = [
        (module(network=network), HybridLoss(H)(one, y, local_input=two)),
        (
            module(network=network, loss=HybridLoss(H, balance=0.2)),
            HybridLoss(H, balance=0.2)(one, y, local_input=two),
        ),
        (module(network=linear(), loss=MCLoss(H)), MCLoss(H)(one, y)),
        (module(network=linear()), HybridLoss(H)(one, y)),
    ]
    for made, value in cases:
        assert_close(made.criterion(made.output(x), y), value)
    assert_close(cases[0][0](x), MCM(H)(one.sigmoid()))
    assert_close(cases[0][0].double()(x.double()).float(), MCM(H)(one.sigmoid()))


@pytest.mark.parametrize("model", [HLSTM, HMCNF])
def test_the_models_of_the_paper_judge_themselves(tmp_path: Path, model) -> None:
    torch.manual_seed(0)
    network = model(H, 6, hidden=4).eval()
    made = HierarchicalModule(network, H)
    assert isinstance(made.configure_optimizers(), torch.optim.Adam)
    x, y = rows().tensors
    assert_close(made.criterion(made.output(x), y), network.criterion(network(x), y))
    assert_close(made(x), network.predict(x))
    trainer = make_trainer(tmp_path, max_epochs=1, callbacks=[HierarchicalMetrics(H)])
    trainer.fit(made.train(), loader(rows()), loader(rows(8, seed=1)))
    assert trainer.callback_metrics["val_auprc"] > 0
    (found,) = trainer.validate(made, loader(rows()), verbose=False)
    raw = network.eval().raw(network(x)).detach()
    assert found["val_violation_rate"] == pytest.approx(violation_rate(raw, H)) != 0


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_low_precision(tmp_path: Path, precision) -> None:
    data = rows(40, seed=1)
    trainer = make_trainer(tmp_path, precision=precision, callbacks=[HierarchicalMetrics(H)])
    (found,) = trainer.validate(module(), loader(data), verbose=False)
    for name, value in expected(linear(), data, None).items():
        assert found[f"val_{name}"] == pytest.approx(value, abs=0.02)
    trainer.fit(module(), loader(rows()), loader(data))
    logits = torch.randn(4, 5, dtype=torch.bfloat16)
    assert module().probabilities(Output(logits, logits)).dtype == torch.float32


class Recorder(Callback):
    """Keeps the gradients of the first step, as the optimizer sees them."""

    def __init__(self, path: str) -> None:
        self.path = path

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        if trainer.global_step == 0:
            grads = [p.grad for p in pl_module.network.parameters()]
            torch.save(grads, f"{self.path}/{trainer.global_rank}.pt")


SCRIPT = """
import sys
from pathlib import Path
import torch
from test_lightning import learned

learned(Path(sys.argv[1]), devices=2, strategy="ddp")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def learned(folder: Path, **options: Any) -> list[object]:
    """The gradients of the first step, the parameters after all, and the metrics."""
    trained = module()
    trainer = make_trainer(
        folder,
        callbacks=[HierarchicalMetrics(H), Recorder(str(folder))],
        use_distributed_sampler=False,
        **options,
    )
    trainer.fit(trained, datamodule=InOrder())
    assert trainer.world_size == options.get("devices", 1)
    metrics = {k: v for k, v in trainer.callback_metrics.items() if k != "train_loss"}
    assert len(metrics) == 4
    path = folder / f"{trainer.global_rank}.pt"
    found = [torch.load(path), [p.detach() for p in trained.network.parameters()], metrics]
    torch.save(found, path)
    return found


def test_two_processes_of_torchrun_do_what_one_does(tmp_path: Path) -> None:
    """The batches of both together are those of the one; each has all labels known."""
    launch(SCRIPT, tmp_path)
    both = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    one = learned(tmp_path)
    assert_close(both, [one, one])


def test_both_are_pickled() -> None:
    made, callback = pickle.loads(pickle.dumps((module(), HierarchicalMetrics(H, classes=BELOW))))
    assert made.hierarchy == callback.hierarchy == H


class Silent(LightningModule):
    def validation_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        return {"loss": torch.zeros(())}


def test_wrong_input_says_what_was_expected(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, callbacks=[HierarchicalMetrics(H)])
    with pytest.raises(TypeError, match=r"a mapping with 'scores' and 'target', got \['loss'\]"):
        trainer.validate(Silent(), loader(rows()), verbose=False)
    with pytest.raises(TypeError, match="perhaps a weight for each sample, got Tensor"):
        trainer.validate(module(), DataLoader(torch.zeros(4, 6)), verbose=False)
    with pytest.raises(
        TypeError, match=r"returns logits or an Output of hierloss\.models, got tuple"
    ):
        module(network=nn.LSTM(6, 5))(torch.zeros(2, 3, 6))
    with pytest.raises(TypeError, match=r"expected a network that is an nn\.Module, got str"):
        module(network="linear")
    with pytest.raises(TypeError, match="expected a Hierarchy, got list"):
        HierarchicalModule(linear(), [])
    with pytest.raises(TypeError, match=r"MCLoss\(hierarchy\), got the class MCLoss"):
        module(loss=MCLoss)
    with pytest.raises(TypeError, match=r"MCLoss\(hierarchy\), got str"):
        module(loss="bce")
    with pytest.raises(TypeError, match=r"such as torch.optim.AdamW, got SGD; for its options"):
        module(optimizer=torch.optim.SGD(linear().parameters()))
    with pytest.raises(TypeError, match=r"makes a scheduler of an optimizer, got int"):
        module(scheduler=10)
    for loss, name in ((MCLoss(H), "MCLoss"), (MCLoss(H).forward, "forward")):
        headed = module(network=Headed(), loss=loss)
        with pytest.raises(TypeError, match=f"local logits of Headed, got {name}; HybridLoss does"):
            headed.criterion(headed.output(torch.zeros(2, 6)), torch.zeros(2, 5))
    other = Hierarchy.from_parents([None] * 5)
    with pytest.raises(ValueError, match="give both the same hierarchy"):
        HierarchicalModule(HLSTM(other, 6, hidden=4), H)
    with pytest.raises(
        ValueError, match=r"trained in one stage, got HMCLMLP with 3; hierloss\.tra"
    ):
        module(network=HMCLMLP(H, 6))


def test_without_lightning_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.delitem(sys.modules, "hierloss_adapters.lightning")
    with pytest.raises(ImportError, match=r'expected lightning.*"hierloss\[lightning\]"'):
        import hierloss_adapters.lightning  # noqa: F401
