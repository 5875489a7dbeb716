"""For the Trainer of Hugging Face transformers: a loss, metrics, and the labels of a config.

`transformers.Trainer` takes the loss as `compute_loss_func` and the metrics as `compute_metrics`.
Labels that are unknown are -100, as everywhere in transformers, or NaN or -1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import hierloss.functional as HF
from hierloss import Hierarchy
from hierloss.decide import bottom_up
from hierloss.metrics import average_precision, hierarchical_scores, violation_rate

__all__ = ["LabelConfig", "TrainerLoss", "TrainerMetrics", "label_config"]

Array = Tensor | NDArray[np.generic]
Arrays = Array | tuple[Array, ...] | list[Array] | list[tuple[Array, ...]]

IGNORED = -100
METRICS = (
    "auprc",
    "hierarchical_precision",
    "hierarchical_recall",
    "hierarchical_f",
    "violation_rate",
)


class LabelConfig(TypedDict):
    """What `label_config` gives.

    Attributes:
        problem_type: That of several labels at once.
        id2label: The name of each column.
        label2id: The column of each name.
    """

    problem_type: Literal["multi_label_classification"]
    id2label: dict[int, str]
    label2id: dict[str, int]


class Prediction(Protocol):
    """What of a `transformers.EvalPrediction` is used."""

    predictions: Arrays
    label_ids: Arrays


def label_config(hierarchy: Hierarchy) -> LabelConfig:
    """The part of a model's config that says what its outputs are.

    For a new config, as in ``BertConfig(**label_config(h))``, or for a pretrained model, as in
    ``AutoModelForSequenceClassification.from_pretrained(name, **label_config(h))``. The number of
    labels follows from it.

    Example:
        >>> from hierloss import Hierarchy
        >>> label_config(Hierarchy.from_paths(["a/b"]))["id2label"]
        {0: 'a', 1: 'a/b'}
    """
    return {
        "problem_type": "multi_label_classification",
        "id2label": dict(enumerate(hierarchy.names)),
        "label2id": {name: i for i, name in enumerate(hierarchy.names)},
    }


class TrainerLoss:
    r"""A loss of hierloss as the `compute_loss_func` of a Trainer.

    .. math:: \frac{1}{N} \sum_{i, A} \text{loss}_{iA}

    with N the known labels of all the batches that one step accumulates, `num_items_in_batch`. So
    the steps are those of one large batch, however it is divided into batches and devices. Trainer
    counts what is not -100: where unknown labels are NaN or -1, they count in N as well, and the
    loss is smaller in proportion.

    The `label_smoothing_factor` of the training arguments has no effect, as with every
    `compute_loss_func`.

    Args:
        criterion: `HybridLoss`, `MCLoss` or `LHLoss`, with the reduction "mean".

    Raises:
        TypeError: Something that is no loss.
        ValueError: A loss with another reduction.

    Example:
        >>> from hierloss import Hierarchy, HybridLoss
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> compute_loss = TrainerLoss(HybridLoss(h))
        >>> target = torch.tensor([[1, 1, 0], [1, -100, 0]])
        >>> compute_loss({"logits": torch.zeros(2, 3)}, target, num_items_in_batch=5)
        tensor(0.6931)
    """

    def __init__(self, criterion: nn.Module) -> None:
        if not isinstance(criterion, nn.Module):
            raise TypeError(
                f"expected a loss, such as HybridLoss(hierarchy), got {type(criterion).__name__}"
            )
        reduction = getattr(criterion, "reduction", None)
        if reduction != "mean":
            raise ValueError(
                f"expected a loss with reduction='mean', got {reduction!r}; "
                "the Trainer says by how many labels to divide"
            )
        self.criterion = criterion

    def __call__(
        self,
        outputs: Mapping[str, Tensor] | Sequence[Tensor] | Tensor,
        labels: Tensor | None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            outputs: Those of a model: its logits, alone, under the name "logits", or first.
            labels: 0 and 1, closed upward, and -100, NaN or -1 for unknown.
            num_items_in_batch: How many labels one step accumulates; by default those of the batch
                that are known.

        Shape:
            Logits and labels are `(*, n)`, the result is a scalar.

        Raises:
            TypeError: No labels.
        """
        if labels is None:
            raise TypeError("expected labels, got None; the data set has them under 'labels'")
        logits = _logits(outputs)
        target = _unknown(labels)
        loss: Tensor = self.criterion.to(logits.device)(logits, target)
        if num_items_in_batch is None:
            return loss
        known = ((target == 0) | (target == 1)).sum()
        total = torch.as_tensor(num_items_in_batch, device=loss.device)
        return loss * (known / total.flatten()[0].clamp(min=1))  # DataParallel repeats the total

    def __repr__(self) -> str:
        return f"TrainerLoss({self.criterion!r})"


class TrainerMetrics:
    """The metrics of hierloss as the `compute_metrics` of a Trainer.

    A dictionary of ``auprc``, the AU(PRC) as in C-HMCNN, and ``hierarchical_precision``,
    ``hierarchical_recall`` and ``hierarchical_f``, all of the scores after `MCM`, and
    ``violation_rate``, that of the logits themselves. See `hierloss.metrics`. Where a logit is NaN,
    the network has diverged, and all of them are NaN.

    Args:
        hierarchy: The hierarchy of the classes.
        thresholds: That of the logits for precision, recall and F: one for all classes or one for
            each, as `hierloss.decide.bottom_up` takes them.
        classes: The columns that count, `(n,)` bool; all by default.

    Example:
        >>> from types import SimpleNamespace
        >>> from hierloss import Hierarchy
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> logits, labels = np.array([[0.5, 1.0, -1.0]]), np.array([[1, 1, 0]])
        >>> TrainerMetrics(h)(SimpleNamespace(predictions=logits, label_ids=labels))["auprc"]
        1.0
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        thresholds: float | Tensor = 0.0,
        classes: Tensor | None = None,
    ) -> None:
        self.hierarchy = hierarchy
        self.thresholds = thresholds
        self.classes = classes

    def __call__(self, prediction: Prediction) -> dict[str, float]:
        """The metrics of `(samples, n)` predictions and labels, or of lists of batches of them."""
        h = self.hierarchy
        logits, target = _first(prediction.predictions), _unknown(_first(prediction.label_ids))
        if logits.isnan().any():
            return dict.fromkeys(METRICS, math.nan)
        auprc = average_precision(HF.mcm(logits, h), target, self.classes)
        decided = bottom_up(logits, h, self.thresholds)
        scores = hierarchical_scores(decided, target, h, self.classes)
        violated = violation_rate(logits, h, self.classes)
        return dict(zip(METRICS, (auprc, *scores, violated), strict=True))


def _logits(outputs: Mapping[str, Tensor] | Sequence[Tensor] | Tensor) -> Tensor:
    if isinstance(outputs, Mapping):
        return outputs["logits"]
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def _first(arrays: Arrays) -> Tensor:
    """The first of several arrays, of all batches."""
    if isinstance(arrays, list):
        return torch.cat([_first(batch) for batch in arrays])
    return torch.as_tensor(arrays[0] if isinstance(arrays, tuple) else arrays)


def _unknown(labels: Tensor) -> Tensor:
    """Labels with what transformers ignores marked as hierloss marks the unknown."""
    if not labels.dtype.is_signed:
        return labels
    return labels.masked_fill(labels == IGNORED, torch.nan if labels.is_floating_point() else -1)
