"""The loss and the metrics under the Trainer of transformers, and under accelerate alone."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy, HybridLoss, LHLoss, MCLoss
from hierloss.decide import bottom_up
from hierloss.metrics import average_precision, hierarchical_scores, violation_rate
from hierloss_adapters.transformers import TrainerLoss, TrainerMetrics, label_config

WITHOUT = 'the Trainer is not here: pip install "hierloss[transformers]"'
transformers = pytest.importorskip("transformers", reason=WITHOUT)
accelerate = pytest.importorskip("accelerate", reason=WITHOUT)
pytest.importorskip("sklearn", reason=WITHOUT)

H = Hierarchy.from_edges([("c", "a"), ("d", "a"), ("d", "b"), ("e", "d")], names=list("abcde"))
LOSSES = (HybridLoss, MCLoss, LHLoss)


class Rows(torch.utils.data.Dataset):
    """Samples whose labels follow from their tokens."""

    def __init__(self, samples: int = 24, *, unknown: bool = False) -> None:
        generator = torch.Generator().manual_seed(0)
        self.tokens = torch.randint(4, 12, (samples, 6), generator=generator)
        self.labels = H.encode([["abcde"[i] for i in row[:2] % 5] for row in self.tokens]).float()
        if unknown:
            hidden = torch.rand(self.labels.shape, generator=generator) < 0.3
            self.labels = self.labels.masked_fill(hidden, -100.0)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {
            "input_ids": self.tokens[i],
            "attention_mask": torch.ones_like(self.tokens[i]),
            "labels": self.labels[i],
        }


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Accelerate keeps one precision for a process; each test begins without."""
    forget()
    yield
    forget()


def forget() -> None:
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()


def encoder() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **label_config(H),
    )
    return transformers.BertForSequenceClassification(config)


def trainer(folder, rows: Rows, criterion: nn.Module | None = None, **arguments):
    given = {
        "use_cpu": True, "report_to": "none", "save_strategy": "no", "disable_tqdm": True,
        "logging_strategy": "no", "learning_rate": 1e-2, "per_device_train_batch_size": 8,
        "max_steps": 2, "dataloader_pin_memory": False,
    }  # fmt: skip
    return transformers.Trainer(
        encoder(),
        transformers.TrainingArguments(str(folder), **{**given, **arguments}),
        train_dataset=rows,
        eval_dataset=rows,
        compute_loss_func=TrainerLoss(criterion or HybridLoss(H)),
        compute_metrics=TrainerMetrics(H),
    )


def weights(folder, rows: Rows, **arguments) -> dict[str, Tensor]:
    """What a model has learnt by plain SGD, whose steps are as long as the gradients."""
    plain = {"optim": "sgd", "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
    run = trainer(folder, rows, **{**plain, "learning_rate": 1.0, **arguments})
    run.train()
    return run.model.state_dict()


# The loss alone.


@given(data=st.data())
def test_the_loss_is_the_mean_over_the_known_labels_of_a_step(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    target = data.draw(hl.unknown_targets(p, 4))
    logits = torch.randn(4, p.n)
    criterion = data.draw(st.sampled_from(LOSSES))(p.hierarchy)
    expected = criterion(logits, target)
    compute_loss = TrainerLoss(criterion)
    marked = target.masked_fill(target == -1, -100)
    assert_close(compute_loss({"logits": logits}, marked), expected)
    parts = [slice(0, 1), slice(1, 4)]
    for labels in (marked, marked.float()):
        total = (labels != -100).sum()  # what Trainer counts
        loss = sum(compute_loss((logits[i],), labels[i], total) for i in parts)
        assert_close(loss, expected)
        assert_close(compute_loss(logits, labels, int(total)), expected)


def test_unknown_labels_of_other_marks_count_in_what_is_divided_by() -> None:
    logits = torch.zeros(1, 5)
    minus, nan = torch.tensor([[1, -1, 0, -1, 0]]), torch.tensor([[1, torch.nan, 0, torch.nan, 0]])
    compute_loss = TrainerLoss(HybridLoss(H))
    for labels in (minus, nan):
        loss = compute_loss(logits, labels, labels.ne(-100).sum())
        assert_close(loss, torch.tensor(3 / 5 * math.log(2)))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int64, torch.half])
def test_labels_of_any_type(dtype: torch.dtype) -> None:
    labels = torch.tensor([[1, 0, 1, 0, 0]])
    expected = HybridLoss(H)(torch.ones(1, 5), labels)
    assert_close(TrainerLoss(HybridLoss(H))(torch.ones(1, 5), labels.to(dtype), 5), expected)


def test_nothing_known_costs_nothing() -> None:
    logits = torch.zeros(2, 5, requires_grad=True)
    labels = torch.full((2, 5), -100)
    loss = TrainerLoss(HybridLoss(H))(logits, labels, labels.ne(-100).sum())
    loss.backward()
    assert loss == 0
    assert_close(logits.grad, torch.zeros(2, 5))


def test_a_total_for_each_gpu_leaves_a_scalar() -> None:
    labels = torch.tensor([[1, 0, 1, 0, 0]])
    total = torch.tensor(5).unsqueeze(0).expand(2, -1)  # as Trainer does for DataParallel
    loss = TrainerLoss(HybridLoss(H))(torch.ones(1, 5), labels, total)
    assert_close(loss, HybridLoss(H)(torch.ones(1, 5), labels))


def test_loss_and_metrics_are_picklable() -> None:
    logits, labels = torch.randn(3, 5), H.encode([["c"], ["e"], []])
    weight = torch.rand(5)
    compute_loss = TrainerLoss(HybridLoss(H, pos_weight=weight, balance=0.2))
    again = pickle.loads(pickle.dumps(compute_loss))
    assert_close(again(logits, labels), compute_loss(logits, labels))
    assert "balance=0.2" in repr(again)
    metrics = TrainerMetrics(H, thresholds=torch.zeros(5))
    given = SimpleNamespace(predictions=logits.numpy(), label_ids=labels.numpy())
    assert pickle.loads(pickle.dumps(metrics))(given) == metrics(given)


def test_wrong_input_says_what_was_expected() -> None:
    with pytest.raises(TypeError, match=r"a loss, such as HybridLoss.*, got Hierarchy"):
        TrainerLoss(H)
    with pytest.raises(ValueError, match="reduction='mean', got 'batchmean'"):
        TrainerLoss(HybridLoss(H, reduction="batchmean"))
    with pytest.raises(ValueError, match="reduction='mean', got None"):
        TrainerLoss(nn.Linear(1, 1))
    with pytest.raises(TypeError, match="expected labels, got None"):
        TrainerLoss(HybridLoss(H))(torch.zeros(1, 5), None)
    with pytest.raises(ValueError, match="got 156"):  # -100, in bytes
        TrainerLoss(HybridLoss(H))(torch.zeros(1, 5), torch.tensor([[156] * 5], dtype=torch.uint8))
    with pytest.raises(ValueError, match="closed upward"):
        TrainerLoss(HybridLoss(H))(torch.zeros(1, 5), torch.tensor([[0, 0, 1, 0, 0]]))


# The metrics alone.


@given(data=st.data())
def test_metrics_are_those_of_hierloss(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    target = data.draw(hl.unknown_targets(p, 3))
    target[0, 0] = 1
    logits = data.draw(hl.tied_scores(p.n, 3))
    h, t = p.hierarchy, data.draw(st.sampled_from([-1.0, 0.0, 1.5]))
    marked = target.masked_fill(target == -1, -100).numpy()
    found = TrainerMetrics(h, thresholds=t)(
        transformers.EvalPrediction((logits.numpy(), logits.neg().numpy()), marked)
    )
    assert found.pop("auprc") == average_precision(HF.mcm(logits, h), target)
    assert found.pop("violation_rate") == violation_rate(logits, h)
    assert tuple(found.values()) == hierarchical_scores(bottom_up(logits, h, t), target, h)
    assert list(found) == ["hierarchical_precision", "hierarchical_recall", "hierarchical_f"]
    cut = [(logits[:2].numpy(),), (logits[2:].numpy(),)], [marked[:2], marked[2:]]
    whole = transformers.EvalPrediction(logits.numpy(), marked)
    assert TrainerMetrics(h)(transformers.EvalPrediction(*cut)) == TrainerMetrics(h)(whole)


def test_metrics_of_a_network_that_diverged_are_nan() -> None:
    logits, labels = np.zeros((2, 5)), H.encode([["c"], ["e"]]).numpy()
    finite = TrainerMetrics(H)(transformers.EvalPrediction(logits, labels))
    logits[0, 3] = np.nan
    found = TrainerMetrics(H)(transformers.EvalPrediction(logits, labels))
    assert list(found) == list(finite)
    assert all(math.isnan(value) for value in found.values())


def test_metrics_leave_classes_out() -> None:
    logits = np.array([[3.0, -3.0, 1.0, -1.0, -2.0]], dtype=np.float16)
    labels = np.array([[1.0, 1.0, 0.0, 1.0, np.nan]])
    kept = torch.tensor([True, False, True, True, True])
    found = TrainerMetrics(H, classes=kept)(transformers.EvalPrediction(logits, labels))
    assert_close(found["auprc"], 5 / 6)
    assert found["hierarchical_precision"] == found["hierarchical_recall"] == 0.5
    assert violation_rate(torch.from_numpy(logits), H) > found["violation_rate"] == 0


# Under the Trainer.


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
def test_a_tiny_encoder_learns(tmp_path, bf16: bool) -> None:
    rows = Rows()
    run = trainer(tmp_path, rows, max_steps=100, bf16=bf16)
    before = run.evaluate()
    run.train()
    after = run.evaluate()
    assert after["eval_loss"] < before["eval_loss"] / 2
    assert after["eval_auprc"] > max(before["eval_auprc"], 0.9)
    assert after["eval_hierarchical_f"] > before["eval_hierarchical_f"]
    predicted = run.predict(rows)
    expected = TrainerMetrics(H)(predicted)
    assert {k: after[f"eval_{k}"] for k in expected} == pytest.approx(expected)
    logits, labels = (torch.as_tensor(x) for x in (predicted.predictions, predicted.label_ids))
    loss = torch.tensor(after["eval_loss"])  # Trainer keeps the mean of the batches' losses
    assert_close(loss, HybridLoss(H)(logits, labels))


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
def test_accumulated_batches_are_one_large_batch(tmp_path, unknown: bool) -> None:
    rows = Rows(unknown=unknown)
    large = weights(tmp_path, rows, per_device_train_batch_size=24)
    small = weights(tmp_path, rows, per_device_train_batch_size=5, gradient_accumulation_steps=5)
    start = encoder().state_dict()
    assert not torch.equal(large["classifier.weight"], start["classifier.weight"])
    for name, value in large.items():
        assert_close(small[name], value)


def test_unknown_labels_do_not_teach(tmp_path) -> None:
    rows = Rows()
    rows.labels[:] = -100
    start = encoder().state_dict()
    for name, value in weights(tmp_path, rows).items():
        assert_close(value, start[name])


def test_evaluation_without_concatenation_comes_to_the_same(tmp_path) -> None:
    options = {"per_device_eval_batch_size": 7}  # the last batch has 3
    joined, apart = (
        trainer(tmp_path, Rows(), eval_do_concat_batches=joined, **options).evaluate()
        for joined in (True, False)
    )
    for name in ("auprc", "hierarchical_f", "violation_rate"):
        assert joined[f"eval_{name}"] == apart[f"eval_{name}"]


def test_metrics_by_batches_are_refused_by_the_trainer(tmp_path) -> None:
    with pytest.raises(ValueError, match="batch_eval_metrics"):
        trainer(tmp_path, Rows(), batch_eval_metrics=True)


def test_label_smoothing_changes_nothing(tmp_path) -> None:
    rows = Rows()
    plain = weights(tmp_path, rows)
    with pytest.warns(UserWarning, match="not compatible with multi-label"):
        smooth = weights(tmp_path, rows, label_smoothing_factor=0.1)
    for name, value in plain.items():
        assert torch.equal(smooth[name], value)


def test_the_best_checkpoint_is_chosen_by_a_metric(tmp_path) -> None:
    run = trainer(
        tmp_path, Rows(), eval_strategy="steps", save_strategy="best", eval_steps=1,
        metric_for_best_model="auprc", load_best_model_at_end=True, save_total_limit=1,
    )  # fmt: skip
    run.train()
    assert run.state.best_metric == run.evaluate()["eval_auprc"]
    again = transformers.BertForSequenceClassification.from_pretrained(
        run.state.best_model_checkpoint
    )
    assert again.config.id2label == dict(enumerate(H.names))


def test_a_config_knows_the_classes() -> None:
    config = encoder().config
    assert config.num_labels == len(H)
    assert config.problem_type == "multi_label_classification"
    assert [config.id2label[i] for i in range(len(H))] == list(H.names)
    assert all(config.label2id[name] == H.index(name) for name in H)


# Under accelerate alone.


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_loop_of_accelerate(precision: str) -> None:
    accelerator = accelerate.Accelerator(
        mixed_precision=precision, cpu=True, gradient_accumulation_steps=2
    )
    loader = torch.utils.data.DataLoader(Rows(), batch_size=6)
    model = encoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = HybridLoss(H).to(accelerator.device)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    losses = []
    for _ in range(12):
        for batch in loader:
            with accelerator.accumulate(model):
                labels = batch.pop("labels")
                with accelerator.autocast():
                    loss = criterion(model(**batch).logits, labels)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.item())
    assert loss.dtype == torch.float32
    assert losses[-1] < losses[0] / 2
