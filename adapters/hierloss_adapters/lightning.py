"""Training with Lightning: a module for any network, and a callback that logs the metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

import hierloss.functional as HF
from hierloss import MCM, Hierarchy, HybridLoss, LHLoss, MCLoss
from hierloss.models import Model, Output
from hierloss.topology import dense
from hierloss_adapters.torchmetrics import HierarchicalF, PooledAveragePrecision, ViolationRate

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.utilities.types import OptimizerLRScheduler
    from torchmetrics import Metric, SumMetric
except ImportError as error:
    raise ImportError(
        'expected lightning, got none; for this pip install "hierloss[lightning]"'
    ) from error

__all__ = ["HierarchicalMetrics", "HierarchicalModule"]


class HierarchicalModule(LightningModule):
    r"""Any network, trained with a hierarchical loss.

    Batches are features, a target of `(*, n)`, closed upward, with NaN or -1 for unknown, and
    perhaps a weight `(*,)` for each sample. To predict, features alone will do. It logs
    ``train_loss``, ``val_loss`` and ``test_loss``, and is called for coherent probabilities: MCM of
    those of the network.

    A checkpoint holds the parameters, the learning rate and the hierarchy, as tensors and plain
    Python values. The network, the hierarchy and what else is not the default are given again to
    load it, and another hierarchy, or the same with its classes in another order, is an error::

        HierarchicalModule.load_from_checkpoint(path, network=network, hierarchy=h)

    For a schedule that follows a metric, and the like, override `configure_optimizers`.

    Args:
        network: It returns logits, `(*, n)`, or an `Output` of `hierloss.models`.
        hierarchy: The hierarchy of the classes.
        loss: Called with logits and a target, with `local_input` where the network has local
            logits, and with `sample_weight` where batches have weights; by default the criterion of
            a `hierloss.models.Model`, else `HybridLoss`. One that is not of hierloss, such as
            `BCEWithLogitsLoss`, gets the target in floating point, NaN where it is unknown.
        lr: The learning rate.
        optimizer: Called with the parameters and `lr`.
        scheduler: Called with the optimizer, for a schedule that takes a step after each epoch.

    Raises:
        ValueError: The network is a model that is trained in several stages, or one of another
            hierarchy.
        TypeError: The loss, the optimizer or the scheduler is not what is called.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> module = HierarchicalModule(nn.Linear(8, len(h)), h, lr=0.01)
        >>> h.is_coherent(module(torch.randn(4, 8)))
        True
    """

    def __init__(
        self,
        network: nn.Module,
        hierarchy: Hierarchy,
        *,
        loss: Callable[..., Tensor] | None = None,
        lr: float = 1e-3,
        optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        scheduler: Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters("lr")
        self.constraint = MCM(hierarchy)
        self.network = _checked(network, hierarchy)
        self.hierarchy = hierarchy
        _check_called(loss, optimizer, scheduler)
        own = loss is None and isinstance(network, Model)
        self.loss = HybridLoss(hierarchy) if loss is None and not own else loss
        self.optimizer = optimizer
        self.scheduler = scheduler

    def forward(self, x: Any) -> Tensor:
        """Coherent probabilities, `(*, n)`, of features."""
        coherent: Tensor = self.constraint(self.probabilities(self.output(x)))
        return coherent

    def output(self, x: Any) -> Output:
        """What the network makes of features."""
        output = self.network(x)
        if isinstance(output, Tensor):
            return Output(output, None)
        if not isinstance(output, Output):
            raise TypeError(
                "expected a network that returns logits or an Output of hierloss.models, got "
                f"{type(output).__name__}"
            )
        return output

    def probabilities(self, output: Output) -> Tensor:
        """The network's own probabilities, before MCM, in float32 or wider."""
        local = output.local_logits
        wide = Output(_wide(output.global_logits), None if local is None else _wide(local))
        if isinstance(self.network, Model):
            return self.network.raw(wide)
        return wide.global_logits.sigmoid()

    def criterion(
        self, output: Output, target: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """The loss of an output and a target, where samples may have weights."""
        model: Any = self.network
        given = {"local_input": output.local_logits, "sample_weight": sample_weight}
        if self.loss is None:
            if sample_weight is not None:
                raise TypeError(
                    f"expected batches without weights for the own loss of {type(model).__name__}, "
                    "got weights; pass loss=HybridLoss(h), which takes them"
                )
            loss: Tensor = model.criterion(output, target)
            return loss
        if not isinstance(self.loss, (HybridLoss, LHLoss, MCLoss)):
            target = _floating(target, output.global_logits)
        options = {name: x for name, x in given.items() if x is not None}
        for name in options:
            _check_takes(self.loss, name, self.network)
        loss = self.loss(output.global_logits, target, **options)
        return loss

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch, logged as ``train_loss``."""
        x, target, weight = _parts(batch)
        loss = self.criterion(self.output(x), target, weight)
        self.log("train_loss", loss, batch_size=len(target))
        return loss

    def validation_step(
        self, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor]:
        """The loss, the network's own probabilities as ``scores``, and the ``target``."""
        return self._evaluated(batch, "val_loss")

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """What `validation_step` returns."""
        return self._evaluated(batch, "test_loss")

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Coherent probabilities, of features or of pairs of them and a target."""
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        coherent: Tensor = self(x)
        return coherent

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer of all parameters, and the scheduler where there is one."""
        optimizer = self.optimizer(self.parameters(), lr=self.hparams["lr"])
        return optimizer if self.scheduler is None else ([optimizer], [self.scheduler(optimizer)])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the classes and edges beside the parameters."""
        edges = torch.from_numpy(self.hierarchy.edge_index.copy())
        checkpoint["hierarchy"] = {"names": list(self.hierarchy.names), "edges": edges}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise if the checkpoint is of another hierarchy, or of another order of its classes."""
        _check_hierarchy(self.hierarchy, checkpoint.get("hierarchy"))

    def _evaluated(self, batch: Any, name: str) -> dict[str, Tensor]:
        x, target, weight = _parts(batch)
        output = self.output(x)
        loss = self.criterion(output, target, weight)
        self.log(name, loss, batch_size=len(target), sync_dist=True)
        return {"loss": loss, "scores": self.probabilities(output), "target": target}


class HierarchicalMetrics(Callback):
    """Logs AU(PRC), hierarchical F and the violation rate of validation and test.

    ``val_auprc`` and ``val_f`` are of coherent probabilities, MCM of what the network says;
    ``val_violation_rate`` is of what it says itself. All are of the whole set, over all processes.
    They can be monitored, for instance by `EarlyStopping`. With several data loaders each name ends
    in ``/dataloader_idx_0`` and so on. A network that says NaN has diverged, and all three are NaN.

    It works with every module whose `validation_step` and `test_step` return a mapping with
    ``scores``, probabilities of `(*, n)`, and ``target``, as those of `HierarchicalModule` do.

    Args:
        hierarchy: The hierarchy of the classes.
        threshold: Probabilities above it predict, for the F.
        thresholds: How many thresholds AU(PRC) has; by default it is exact, and the scores of the
            whole set are kept until the end of the epoch.
        classes: The columns that count, `(n,)` bool; all by default.
        prefix: What the names begin with after ``val_`` and ``test_``, to tell several of these
            callbacks apart.

    Raises:
        ValueError: In the Trainer, where another of these callbacks has the same prefix.

    Example:
        >>> from lightning.pytorch.callbacks import EarlyStopping
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> callbacks = [HierarchicalMetrics(h), EarlyStopping("val_auprc", mode="max")]
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        threshold: float = 0.5,
        thresholds: int | Tensor | None = None,
        classes: Tensor | None = None,
        prefix: str = "",
    ) -> None:
        self.hierarchy = hierarchy
        self.prefix = prefix
        self.metrics: dict[str, Metric] = {
            "auprc": PooledAveragePrecision(thresholds=thresholds, classes=classes),
            "f": HierarchicalF(hierarchy, threshold=threshold, classes=classes),
            "violation_rate": ViolationRate(hierarchy, classes=classes),
        }
        self._running: list[dict[str, Metric]] = []
        self._diverged: list[SumMetric] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raise if another of these callbacks logs the same names."""
        own = [x for x in getattr(trainer, "callbacks", []) if isinstance(x, HierarchicalMetrics)]
        if [x.prefix for x in own].count(self.prefix) > 1:
            raise ValueError(
                "expected one HierarchicalMetrics for each prefix, got several with "
                f"{self.prefix!r}, whose values would be mixed; give each prefix="
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._begin(len(trainer.num_val_batches), pl_module)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._begin(len(trainer.num_test_batches), pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        self._update(outputs, dataloader_idx)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        self._update(outputs, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the metrics of validation."""
        self._log("val", pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the metrics of test."""
        self._log("test", pl_module)

    def _begin(self, loaders: int, module: LightningModule) -> None:
        self._running = [
            {name: metric.clone().to(module.device) for name, metric in self.metrics.items()}
            for _ in range(loaders)
        ]
        self._diverged = [SumMetric().to(module.device) for _ in range(loaders)]

    def _update(self, outputs: Any, loader: int) -> None:
        scores, target = _evaluated(outputs)
        wrong = scores.isnan().any()
        self._diverged[loader].update(wrong)
        if wrong:
            return
        coherent = HF.mcm(scores, self.hierarchy)
        for name, metric in self._running[loader].items():
            metric.update(scores if name == "violation_rate" else coherent, target)

    def _log(self, stage: str, module: LightningModule) -> None:
        for i, metrics in enumerate(self._running):
            end = f"/dataloader_idx_{i}" if len(self._running) > 1 else ""
            diverged = bool(self._diverged[i].compute())  # in any of the processes
            values = {
                f"{stage}_{self.prefix}{name}{end}": torch.nan if diverged else metric.compute()
                for name, metric in metrics.items()
            }
            # The processes agree already; to say so spares a warning.
            module.log_dict(values, sync_dist=True, add_dataloader_idx=False)
        self._running = []


def _checked(network: nn.Module, hierarchy: Hierarchy) -> nn.Module:
    if not isinstance(network, nn.Module):
        raise TypeError(f"expected a network that is an nn.Module, got {type(network).__name__}")
    if isinstance(network, Model):
        if network.hierarchy != hierarchy:
            raise ValueError(
                f"expected a model of {hierarchy!r}, got one of {network.hierarchy!r}; give both "
                "the same hierarchy"
            )
        if network.stages > 1:
            raise ValueError(
                f"expected a model that is trained in one stage, got {type(network).__name__} with "
                f"{network.stages}; hierloss.training trains it"
            )
    return network


def _check_called(loss: object, optimizer: object, scheduler: object) -> None:
    """Raise for a class where an object is wanted, and for an object where its maker is."""
    if loss is not None and (isinstance(loss, type) or not callable(loss)):
        got = f"the class {loss.__name__}" if isinstance(loss, type) else type(loss).__name__
        raise TypeError(f"expected a loss, such as MCLoss(hierarchy), got {got}")
    if isinstance(optimizer, torch.optim.Optimizer) or not callable(optimizer):
        raise TypeError(
            "expected what makes an optimizer, such as torch.optim.AdamW, got "
            f"{type(optimizer).__name__}; for its options write partial(torch.optim.AdamW, ...)"
        )
    if scheduler is not None and (isinstance(scheduler, LRScheduler) or not callable(scheduler)):
        raise TypeError(
            "expected what makes a scheduler of an optimizer, got "
            f"{type(scheduler).__name__}; write partial(StepLR, step_size=10) or the like"
        )


def _check_takes(loss: Callable[..., Tensor], option: str, network: nn.Module) -> None:
    called = loss.forward if isinstance(loss, nn.Module) else loss
    known = inspect.signature(called).parameters.values()
    if any(p.name == option or p.kind is p.VAR_KEYWORD for p in known):
        return
    name = getattr(loss, "__name__", type(loss).__name__)
    if option == "sample_weight":
        raise TypeError(
            f"expected a loss that takes sample_weight, for batches with weights, got {name}; "
            "HybridLoss does"
        )
    raise TypeError(
        f"expected a loss that takes local_input, for the local logits of "
        f"{type(network).__name__}, got {name}; HybridLoss does, and without loss= a model of "
        "hierloss.models has its own"
    )


def _floating(target: Tensor, logits: Tensor) -> Tensor:
    """A target as the losses of others take it."""
    target = dense(target, "a target")
    if target.is_floating_point():
        return target
    floating = target.to(logits.dtype)
    return floating.masked_fill(target == -1, torch.nan) if target.dtype.is_signed else floating


def _parts(batch: Any) -> tuple[Any, Tensor, Tensor | None]:
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise TypeError(
            "expected batches of features, a target and perhaps a weight for each sample, got "
            f"{type(batch).__name__}; for others override the steps"
        )
    x, target, *weight = batch
    return x, target, *(weight or [None])


def _evaluated(outputs: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(outputs, Mapping) or not {"scores", "target"} <= outputs.keys():
        got = sorted(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
        raise TypeError(
            "expected validation_step and test_step to return a mapping with 'scores' and "
            f"'target', got {got}"
        )
    return outputs["scores"], outputs["target"]


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _check_hierarchy(h: Hierarchy, saved: Any) -> None:
    if saved is None:
        return
    if saved["names"] != list(h.names):
        raise ValueError(
            f"expected a checkpoint of {h!r}, got one of {len(saved['names'])} classes, or in "
            "another order; give the hierarchy that it was trained with"
        )
    if not torch.equal(saved["edges"].cpu(), torch.from_numpy(h.edge_index.copy())):
        raise ValueError(
            f"expected a checkpoint of {h!r}, got one with other edges; give the hierarchy that it "
            "was trained with"
        )
