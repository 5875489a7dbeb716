"""Models as ONNX files, which need neither PyTorch nor hierloss to run."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hierloss.checkpoint import Checkpoint
from hierloss.hierarchy import Hierarchy
from hierloss.models import Model, Predictor
from hierloss.models.base import evaluating
from hierloss.topology import Topology
from hierloss_adapters._files import Source

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

__all__ = ["write_onnx"]


def write_onnx(
    model: nn.Module | Checkpoint, hierarchy: Hierarchy, features: Tensor, path: Source
) -> None:
    """Write a model as an ONNX file, for batches of any size, once onnxruntime agrees with it.

    This is `torch.onnx.export` with one input "features" and one output "scores", the names of the
    classes in the metadata of the file, as a JSON list under "classes", and a check: onnxruntime
    has to compute what PyTorch does, for the given features and for the first of them alone. The
    hierarchy takes memory for classes and edges, and there is no n × n matrix in the file.

    A checkpoint is written as a whole, from features as they are in its data, NaN where one is
    missing, to what `Checkpoint.predict` returns. The classes in the metadata are then those that
    it predicts, and the names of its features are there too, under "features". Where `predict`
    raises for a row, its scores are NaN.

    Dropout is off, whatever mode the model is in; the mode stays as it is. PyTorch puts weights of
    more than 1.5 GB into a second file beside the first.

    Args:
        model: From features to scores, with a layer such as `MCM` or ``LMC(h, closure=True)`` where
            they are to be coherent. One of `hierloss.models` is written as its `Predictor`; what
            `hierloss train` saves is a `Checkpoint`.
        hierarchy: The hierarchy of the classes, that of the model and its layers; of a checkpoint
            ``checkpoint.model.hierarchy``.
        features: Some samples, of the type and shape that the model takes.
        path: The file to write.

    Shape:
        Features: `(samples, *)`. What the model returns: `(samples, n)`, for a checkpoint with a
        column for each of its `classes`.

    Raises:
        ValueError: There are no samples, the model does not return a score for each class, its
            layers have other classes or the same in another order, or onnxruntime does not compute
            what PyTorch does.
        TypeError: The scores are of a type that onnxruntime cannot compare, such as bfloat16.
        ImportError: onnx, onnxscript or onnxruntime is missing, or PyTorch is before 2.7.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from hierloss.models import MLP
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> with TemporaryDirectory() as folder:
        ...     write_onnx(MLP(h, 5, hidden=4), h, torch.randn(2, 5), Path(folder, "model.onnx"))
        ...     [file.name for file in Path(folder).iterdir()]
        ['model.onnx']
    """
    _require_onnx()
    _check_features(features)
    model = getattr(model, "_orig_mod", model)  # of torch.compile, which cannot be exported
    if not isinstance(model, (nn.Module, Checkpoint)):
        raise TypeError(
            f"expected a torch.nn.Module or a Checkpoint, got {type(model).__name__}; of a "
            "HierarchicalClassifier write nn.Sequential(c.module_, nn.Sigmoid(), MCM(c.hierarchy_))"
        )
    network = model.model if isinstance(model, Checkpoint) else model
    _check_classes(network, hierarchy)
    names = {"classes": hierarchy.names}
    module: nn.Module
    with evaluating(network), torch.no_grad():
        if isinstance(model, Checkpoint):
            names = {"classes": tuple(model.classes), "features": model.features}
            module = _Whole(model).eval()
            expected = model.predict(features.double().numpy(force=True))
            features = features.to(next(network.parameters()).device)
        else:
            module = Predictor(model).eval() if isinstance(model, Model) else model
            expected = module(features)
            _check_scores(expected, len(features), hierarchy)
        program = _exported(module, features)
    _check(program, features, expected)
    _check(program, features[:1], expected[:1])
    program.model.metadata_props.update({k: json.dumps(v) for k, v in names.items()})
    program.release()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    program.save(path)


class _Whole(nn.Module):
    """What `Checkpoint.predict` does, with NaN for a row that it raises for."""

    mean: Tensor
    scale: Tensor
    kept: Tensor

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.model, h = checkpoint.model, checkpoint.model.hierarchy
        self.register_buffer("mean", torch.tensor(checkpoint.standardise.mean))
        self.register_buffer("scale", torch.tensor(checkpoint.standardise.scale))
        self.register_buffer("kept", torch.tensor([h.index(x) for x in checkpoint.classes]))
        self.to(next(self.model.parameters()).device)

    def forward(self, x: Tensor) -> Tensor:
        z = (x.double() - self.mean) / self.scale
        large = z.abs() > torch.finfo(torch.float32).max
        raw = self.model.raw(self.model(torch.where(z.isnan(), 0, z).float()))
        lost = large.any(1, keepdim=True) | raw.isnan().any(1, keepdim=True)
        p: Tensor = self.model.constraint(raw)[:, self.kept]
        return p.masked_fill(lost, torch.nan)


def _exported(module: nn.Module, features: Tensor) -> ONNXProgram:
    two = torch.cat([features[:1], features[:1]])  # a batch of 1 might stay 1
    with warnings.catch_warnings():
        # PyTorch's own, about its own code.
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec", FutureWarning)
        program = torch.onnx.export(
            module,
            (two,),
            input_names=["features"],
            output_names=["scores"],
            dynamic_shapes=({0: "batch"},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program


def _check(program: ONNXProgram, features: Tensor, expected: Tensor) -> None:
    """Raise unless onnxruntime computes what is expected, up to half the digits of its type.

    Scores that cancel may be off by some roundings of the greatest, which is what atol is for.
    """
    expected = expected.cpu()
    eps = torch.finfo(expected.dtype).eps if expected.is_floating_point() else 0.0
    greatest = expected.nan_to_num(0, 0, 0).abs().max().item() if eps else 0.0
    (scores,) = program(features)
    try:
        torch.testing.assert_close(
            scores, expected, rtol=eps**0.5, atol=16 * eps * greatest, equal_nan=True
        )
    except AssertionError as error:
        raise ValueError(
            f"expected onnxruntime to compute what PyTorch does for a batch of {len(features)}, "
            f"got other scores, and wrote no file; is a size fixed in the model? {error}"
        ) from error


def _check_features(features: Tensor) -> None:
    if not isinstance(features, Tensor):
        raise TypeError(f"expected features that are a Tensor, got {type(features).__name__}")
    if features.ndim < 2 or len(features) == 0:
        raise ValueError(
            f"expected features of shape (samples, *), with one sample or more, got shape "
            f"{tuple(features.shape)}"
        )


def _check_classes(model: nn.Module, h: Hierarchy) -> None:
    """Raise if what the model knows of its columns disagrees with what the file would say."""
    found = (x.hierarchy for x in model.modules() if isinstance(x, (Model, Topology)))
    names = {other.names for other in found if len(other) == len(h)}
    if isinstance(model, Model) and len(model.hierarchy) != len(h):
        raise ValueError(
            f"expected the hierarchy of the model, of {len(model.hierarchy)} classes, got one of "
            f"{len(h)}; pass the hierarchy that the model was made with"
        )
    if names and h.names not in names:
        other = names.pop()
        column = next(
            i for i, pair in enumerate(zip(other, h.names, strict=True)) if len({*pair}) > 1
        )
        raise ValueError(
            f"expected the hierarchy of the model, where column {column} is {other[column]!r}, got "
            f"one where it is {h.names[column]!r}; pass the hierarchy that the model was made with"
        )


def _check_scores(scores: object, samples: int, h: Hierarchy) -> None:
    if not isinstance(scores, Tensor) or scores.shape != (samples, len(h)):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(
            f"expected a model that returns one tensor of scores, ({samples}, {len(h)}), got {got}"
        )
    if scores.dtype == torch.bfloat16:
        raise TypeError(
            "expected scores of a type that onnxruntime can compare, got torch.bfloat16; "
            "pass model.float() or model.half()"
        )


def _require_onnx() -> None:
    try:
        for name in ("onnx", "onnxruntime", "onnxscript"):
            import_module(name)
    except ImportError as error:
        raise ImportError(
            f"expected onnx, onnxruntime and onnxscript, got {error}; for ONNX files "
            'pip install "hierloss[onnx]"'
        ) from error
    if torch.__version__ < "2.7":  # as versions, not as text
        raise ImportError(
            f"expected PyTorch 2.7 or later, got {torch.__version__}; for ONNX files "
            'pip install "hierloss[onnx]"'
        )
