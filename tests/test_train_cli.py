"""`hierloss train` and `hierloss predict`, and what they read and write."""

from __future__ import annotations

import builtins
import csv
import io
import json
import pickletools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from rich.console import Console
from torch.testing import assert_close

from hierloss import Hierarchy, UnknownClassError
from hierloss._progress import Bar, progress
from hierloss.checkpoint import MODELS, Checkpoint, build
from hierloss.cli import main
from hierloss.fitting import fit, split
from hierloss.metrics import average_precision, hierarchical_scores, interpolated_auprc
from hierloss.predictions import chosen
from hierloss.preprocessing import Standardiser
from hierloss.samples import Samples, read_features, read_samples
from hierloss.training import Epoch, Settings
from hierloss_adapters.tabular import column_names, numbers, read_table, write_table

pytest.importorskip("sklearn", reason='scikit-learn is missing; pip install "hierloss[train]"')

PETS = Hierarchy.from_paths(["pet/cat", "pet/dog", "wild"])
LEAVES = ("pet/cat", "pet/dog", "wild")
QUICK = ("--epochs", "30", "--batch", "8", "--lr", "0.02", "-o", "hidden=16", "-o", "dropout=0.0")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(x) for x in arguments])


def ran(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def failed(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


def samples(n: int = 60) -> tuple[np.ndarray, list[str]]:
    """Features of which the highest tells the class."""
    features = np.random.default_rng(0).normal(size=(n, 3)).round(3)
    return features, [LEAVES[i] for i in features.argmax(1)]


def table(*, marks: bool = False) -> str:
    features, labels = samples()
    header = ["name", "u", "v", "w", *(LEAVES if marks else ["classes"])]
    lines = [",".join(header)]
    for i, (row, label) in enumerate(zip(features, labels, strict=True)):
        own = [str(int(label == x)) for x in LEAVES] if marks else [label]
        lines.append(",".join([f"no{i}", *map(str, row), *own]))
    return "\n".join(lines) + "\n"


def arff() -> str:
    features, labels = samples()
    rows = [",".join([*map(str, row), label]) for row, label in zip(features, labels, strict=True)]
    declared = "@attribute class hierarchical pet,pet/cat,pet/dog,wild"
    names = [f"@attribute {x} numeric" for x in "uvw"]
    return "\n".join(["@relation pets", *names, declared, "@data", *rows])


@pytest.fixture
def hierarchy(write: Callable[..., Path]) -> Path:
    PETS.save(path := write("", "pets.npz"))
    return path


def parquet(source: Path) -> Path:
    """A CSV file as a Parquet file, with numbers as numbers."""
    pytest.importorskip("pyarrow", reason='needs pip install "hierloss[parquet]"')
    import pyarrow
    import pyarrow.parquet

    names = column_names(source)
    columns = next(read_table(source, names, size=1000), {x: [] for x in names})
    typed = {x: numbers(columns[x], x) if x in "uvw" else columns[x] for x in names}
    target = source.with_suffix(".parquet")
    pyarrow.parquet.write_table(pyarrow.table(typed), target)
    return target


def read(path: Path) -> dict[str, list[object]]:
    blocks = list(read_table(path, column_names(path), size=10_000))
    return blocks[0]


def check(path: Path, ids: list[object], name: str = "name") -> None:
    """The predictions are coherent probabilities, and mostly right."""
    columns = read(path)
    assert list(columns) == [name, *PETS.names]
    assert columns[name] == ids
    p = torch.tensor(np.array([columns[x] for x in PETS], dtype=np.float64).T)
    assert PETS.is_coherent(p)
    assert ((p >= 0) & (p <= 1)).all()
    _, labels = samples()
    assert ((p > 0.5) == PETS.encode([[x] for x in labels])).double().mean() > 0.9


@pytest.mark.parametrize("model", ["MLP", "HLSTM"])
def test_a_table_with_names_of_classes(model, write, hierarchy, tmp_path) -> None:
    file, saved, out = write(table(), "pets.csv"), tmp_path / "m.safetensors", tmp_path / "p.csv"
    quick = QUICK if model == "MLP" else QUICK[:-2]
    output = ran(
        "train", file, "--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name",
        "--model", model, *quick, "--out", saved,
    )  # fmt: skip
    assert "48 rows, 3 features, 4 classes; best of" in output
    assert not saved.with_name("m.safetensors.part").exists()
    ran("predict", saved, file, "--id", "name", "--block", 7, "--out", out)
    check(out, [f"no{i}" for i in range(60)])


def test_a_table_with_a_column_for_each_class(write, hierarchy, tmp_path) -> None:
    file, saved, out = (
        write(table(marks=True), "pets.csv"),
        tmp_path / "m.safetensors",
        tmp_path / "p.tsv",
    )
    ran("train", file, "--hierarchy", hierarchy, "--ignore", "name", *QUICK, "--out", saved)
    ran("predict", saved, file, "--id", "name", "--out", out)
    check(out, [f"no{i}" for i in range(60)])


def test_a_parquet_file(write, hierarchy, tmp_path) -> None:
    file = parquet(write(table(), "pets.csv"))
    saved, out = tmp_path / "m.safetensors", tmp_path / "p.parquet"
    ran(
        "train", file, "--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name",
        *QUICK, "--out", saved,
    )  # fmt: skip
    ran("predict", saved, file, "--id", "name", "--block", 25, "--out", out)
    check(out, [f"no{i}" for i in range(60)])


def test_an_arff_file(write, tmp_path) -> None:
    file, saved, out = write(arff(), "pets.arff"), tmp_path / "m.safetensors", tmp_path / "p.csv"
    ran("train", file, "--valid", write(arff(), "other.arff"), *QUICK, "--out", saved)
    ran("predict", saved, file, "--block", 16, "--out", out)
    check(out, [str(i) for i in range(1, 61)], name="row")


def test_the_hierarchy_may_be_any_file_that_inspect_reads(write, tmp_path) -> None:
    file, saved = write(table(), "pets.csv"), tmp_path / "m.safetensors"
    columns = ("--ignore", "name", "--labels", "classes", "--valid", 0, "--epochs", 1)
    paths = write("\n".join(LEAVES), "tree.txt")
    ran("train", file, "--hierarchy", paths, "--format", "paths", *columns, "--out", saved)
    assert Checkpoint.load(saved).model.hierarchy == PETS
    edges = write("child,parent\npet/cat,pet\npet/dog,pet\n", "tree.csv")
    assert "got 'wild'" in failed("train", file, "--hierarchy", edges, *columns)


@pytest.fixture
def trained(write, tmp_path) -> tuple[Path, Path]:
    file, saved = write(arff(), "pets.arff"), tmp_path / "m.safetensors"
    ran("train", file, "--valid", 0, *QUICK, "--epochs", 3, "--out", saved)
    return saved, file


def test_a_threshold_and_a_number_choose_classes(trained, tmp_path) -> None:
    model, file = trained
    wide, out = tmp_path / "wide.csv", tmp_path / "out.csv"
    ran("predict", model, file, "--out", wide)
    p = np.array([read(wide)[x] for x in PETS], dtype=np.float64).T
    ran("predict", model, file, "--threshold", 0.5, "--out", out)
    columns = read(out)
    assert list(columns) == ["row", "class", "probability"]
    assert len(columns["row"]) == (p >= 0.5).sum()
    ran("predict", model, file, "--top", 2, "--out", out)
    assert read(out)["row"] == [str(i) for i in range(1, 61) for _ in range(2)]
    ran("predict", model, file, "--top", 2, "--threshold", 0.999, "--out", out)
    found = list(csv.reader(io.StringIO(out.read_text())))
    assert found[0] == ["row", "class", "probability"]
    assert "threshold from 0 to 1" in failed("predict", model, file, "--threshold", 2)
    assert "top of 1 or more" in failed("predict", model, file, "--top", 0)


def test_what_is_chosen_is_closed_upward() -> None:
    p = torch.tensor([[0.5, 0.5, 0.5, 0.2], [0.9, 0.1, 0.1, 0.1]])
    levels = torch.tensor(PETS.levels)
    for top in range(1, 5):
        sample, column = chosen(p, levels, top=top)
        mask = torch.zeros(2, 4).index_put((sample, column), torch.tensor(1.0))
        assert PETS.is_coherent(mask)


def test_a_class_may_be_left_out_by_an_alias() -> None:
    h = PETS.with_aliases({"lion": "wild"})
    features, labels = samples()
    rows = Samples(features, ("u", "v", "w"), h.encode([[x] for x in labels]), h)
    train, valid = split(rows, 0.2)
    quick = Settings(epochs=2)
    by_name, by_alias = (fit("MLP", train, valid, quick, left_out=(x,)) for x in ("wild", "lion"))
    assert by_alias.auprc == by_name.auprc
    assert by_alias.checkpoint.classes == by_name.checkpoint.classes
    assert "wild" not in by_alias.checkpoint.classes


@pytest.mark.parametrize(
    ("name", "options"),
    [("HMCN-CHMC", {"hidden": 8, "local_hidden": 8}), ("HMC-LMLP", {"enforce": False})],
)
def test_what_was_left_out_lifts_nothing(name: str, options: dict[str, object]) -> None:
    h = Hierarchy.from_paths(["a/b", "c"])
    x = np.random.default_rng(0).normal(size=(40, 3))
    rows = Samples(x, ("u", "v", "w"), h.encode([["c"]] * 40), h)
    quick = Settings(epochs=40, lr=0.02, batch=8)
    fitted = fit(name, rows, None, quick, options=options, left_out=("a/b",))
    p = fitted.checkpoint.predict(x)
    assert p[:, fitted.checkpoint.classes.index("a")].max() < 0.2


def test_epochs_of_the_past_are_told_of_first(tmp_path) -> None:
    features, labels = samples()
    rows = Samples(features, ("u", "v", "w"), PETS.encode([[x] for x in labels]), PETS)
    state, seen = tmp_path / "state", []

    def stop(epoch) -> None:
        seen.append(epoch)
        if len(seen) == 2:
            raise KeyboardInterrupt

    quick = Settings(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        fit("MLP", rows, None, quick, state=state, epoch=stop)
    assert not state.exists()  # it is written once a minute
    fit("MLP", rows, None, quick, state=state)
    again: list[int] = []
    fit("MLP", rows, None, quick, state=state, epoch=lambda x: again.append(x.epoch))
    assert again == [1, 2, 3]


def test_what_was_stopped_says_how_to_go_on(write, hierarchy, monkeypatch, tmp_path) -> None:
    def stop(*_: object, state: Path, **__: object) -> None:
        state.write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr("hierloss.fitting.fit", stop)
    saved = tmp_path / "m.safetensors"
    options = ("--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name", "--out", saved)
    result = run("train", write(table(), "pets.csv"), *options)
    assert result.exit_code == 1
    assert f"stopped; what {saved}.part has goes on with the same command" in result.output


def test_names_of_an_arff_file_that_are_no_classes(write) -> None:
    path = write(arff(), "pets.arff")
    h = Hierarchy.from_paths(["pet/cat", "wild"])
    with pytest.raises(ValueError, match=r"pets.arff, row \d+: expected classes .* got 'pet/dog'"):
        read_samples(path, h)
    with pytest.warns(UserWarning, match=r"names of no class left out: 'pet/dog'"):
        found = read_samples(path, h, on_unknown="drop", on_unlabelled="negative")
    assert len(found.target) == len(read_samples(path).target)
    assert found.target.any()


def test_a_class_left_out_has_no_prediction(write, tmp_path) -> None:
    file, saved, out = write(arff(), "pets.arff"), tmp_path / "m.safetensors", tmp_path / "p.csv"
    ran("train", file, "--without", "wild", *QUICK, "--epochs", 2, "--out", saved)
    ran("predict", saved, file, "--out", out)
    assert list(read(out)) == ["row", "pet", "pet/cat", "pet/dog"]
    assert "'lion'" in failed("train", file, "--without", "lion", "--out", saved)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_predicts_as_before_and_holds_no_pickle(name, tmp_path) -> None:
    h = Hierarchy.from_parents([None, 0, 0, (1, 2)], names=["r", "a", "b", "c"])
    h = h.with_aliases({"old": "c"})
    options = {} if name == "HMC-LMLP" else {"hidden": 4}
    model = build(name, h, 3, options=options, left_out=("r",))
    x = np.random.default_rng(0).normal(size=(5, 3))
    standardise = Standardiser.fit(x)
    before = Checkpoint(name, options, model, ("u", "v", "w"), standardise, ("r",))
    before.save(path := tmp_path / "m.safetensors")
    after = Checkpoint.load(path)
    assert_close(after.predict(x), before.predict(x), rtol=0, atol=0)
    assert after.model.hierarchy == h
    assert after.model.hierarchy.aliases == h.aliases
    assert (after.name, after.features, after.classes) == (name, before.features, ["a", "b", "c"])
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little")
    assert data[8:9] == b"{"
    assert b'"hierloss"' in data[8 : 8 + header]
    with pytest.raises(ValueError):  # noqa: PT011
        list(pickletools.dis(data, io.StringIO()) or ())


def test_a_checkpoint_takes_features_by_name_and_in_any_form(tmp_path) -> None:
    pd = pytest.importorskip("pandas", reason='needs pip install "hierloss[pandas]"')
    h = Hierarchy.from_paths(["a/b", "a/c"])
    x = np.random.default_rng(0).normal(size=(5, 3))
    made = Checkpoint("MLP", {}, build("MLP", h, 3), ("u", "v", "w"), Standardiser.fit(x))
    expected = made.predict(x)
    frame = pd.DataFrame(x, columns=["u", "v", "w"])
    for given in (frame, frame[["w", "u", "v"]].assign(more=1), x.tolist(), torch.from_numpy(x)):
        assert torch.equal(made.predict(given), expected)
    with pytest.raises(ValueError, match=r"a column for each feature .* none for 'v';"):
        made.predict(frame.rename(columns={"v": "V"}))
    made.save(path := tmp_path / "m.safetensors")
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(Checkpoint.load(path).predict(x), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_file_that_is_no_checkpoint_is_refused(trained, tmp_path) -> None:
    model, file = trained
    assert "written by hierloss" in failed("predict", file, file)
    model.write_bytes(model.read_bytes()[:100])
    assert "written by hierloss" in failed("predict", model, file)


def test_a_stopped_training_goes_on(write, tmp_path, monkeypatch) -> None:
    import hierloss.training

    file, whole, part = (
        write(arff(), "pets.arff"),
        tmp_path / "whole.safetensors",
        tmp_path / "part.safetensors",
    )
    ran("train", file, *QUICK, "--epochs", 6, "--out", whole)
    judged = hierloss.training.Training._judged
    calls = []

    def stop(self: object) -> float | None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return judged(self)

    monkeypatch.setattr(hierloss.training.Training, "_judged", stop)
    monkeypatch.setattr(hierloss.training.time, "monotonic", iter(range(0, 10**6, 100)).__next__)
    assert run("train", file, *QUICK, "--epochs", 6, "--out", part).exit_code == 1
    assert not part.exists()
    ran("train", file, *QUICK, "--epochs", 6, "--out", part)
    assert len(calls) == 3 + 4
    x = torch.ones(1, 3).numpy()
    a, b = Checkpoint.load(whole), Checkpoint.load(part)
    assert_close(a.predict(x), b.predict(x), rtol=0, atol=0)


@pytest.mark.parametrize("named", [(), ("--threshold", 0.5)])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_without_rows_has_predictions_without_rows(
    trained, write, tmp_path, kind, named
) -> None:
    model, _ = trained
    file, out = write("u,v,w\n", "pets.csv"), tmp_path / f"p.{kind}"
    file = parquet(file) if kind == "parquet" else file
    ran("predict", model, file, *named, "--out", out)
    assert column_names(out) == ["row", *(["class", "probability"] if named else PETS.names)]
    assert list(read_table(out, ["row"])) == []


def test_an_arff_file_without_rows_has_predictions_without_rows(trained, write, tmp_path) -> None:
    model, file = trained
    empty, out = (
        write(file.read_text().partition("@data")[0] + "@data", "e.arff"),
        tmp_path / "p.csv",
    )
    ran("predict", model, empty, "--out", out)
    assert out.read_text() == "row,pet,wild,pet/cat,pet/dog\n"


def test_first_blocks_without_predictions_spoil_no_parquet_file(trained, tmp_path) -> None:
    pytest.importorskip("pyarrow", reason='needs pip install "hierloss[parquet]"')
    model, file = trained
    wide, out = tmp_path / "wide.csv", tmp_path / "p.parquet"
    ran("predict", model, file, "--out", wide)
    top = np.array([read(wide)[x] for x in PETS], dtype=np.float64).max(0)
    threshold = np.nextafter(top[:5].max() + 2e-6, 1)
    assert (top > threshold).any()
    ran("predict", model, file, "--block", 1, "--threshold", threshold, "--out", out)
    assert column_names(out) == ["row", "class", "probability"]


def test_an_arff_file_needs_no_classes_for_predictions(trained, write, tmp_path) -> None:
    model, file = trained
    lines = [x for x in file.read_text().splitlines() if "hierarchical" not in x]
    plain = [x.rpartition(",")[0] if "," in x else x for x in lines]
    labelled, out = tmp_path / "a.csv", tmp_path / "b.csv"
    ran("predict", model, file, "--out", labelled)
    ran("predict", model, write("\n".join(plain), "plain.arff"), "--out", out)
    assert out.read_text() == labelled.read_text()
    assert "an attribute of type 'hierarchical'" in failed("train", tmp_path / "plain.arff")


@pytest.mark.parametrize("kind", ["csv", "arff"])
def test_a_number_that_is_too_large_is_told_with_file_and_row(trained, write, kind) -> None:
    model, file = trained
    head, cells = file.read_text().partition("@data")[0] + "@data\n", ",pet"
    if kind == "csv":
        head, cells = "u,v,w\n", ""
    bad = write(f"{head}1,2,3{cells}\n1,2,3{cells}\n1,-1e300,3{cells}\n", f"bad.{kind}")
    message = f"{bad}, column 'v', row 3: expected a number that float32 can hold, got -1e+300"
    assert message in failed("predict", model, bad, "--block", 2)
    if kind == "arff":
        assert message in failed("train", bad)
    huge = write(f"{head}1,2,3{cells}\n1,2,3{cells}\n1,-3.3e38,3{cells}\n", f"huge.{kind}")
    message = "row 3: expected features that float32 can hold once they are standardised, got -3.3"
    assert message in failed("predict", model, huge, "--block", 2)


def test_probabilities_are_numbers() -> None:
    model = build("MLP", PETS, 1, options={"hidden": 4})
    torch.nn.init.constant_(model.network[-1].bias, torch.nan)
    checkpoint = Checkpoint("MLP", {}, model, ("u",), Standardiser(np.zeros(1), np.ones(1)))
    with pytest.raises(
        ValueError, match="row x: expected features of the size of those in training"
    ):
        checkpoint.predict(np.zeros((1, 1)), ["x"])


def test_what_is_too_large_only_once_standardised() -> None:
    standardise = Standardiser.fit(np.array([[0.0, 0.0], [0.0, 1e-9]]))
    with pytest.raises(ValueError, match=r"row 1: .* once they are standardised, got 1e\+30"):
        standardise(np.array([[0.0, 0.0], [0.0, 1e30]]))
    with pytest.raises(ValueError, match=r"row x: .* once they are standardised, got 1e\+300"):
        standardise(np.array([[0.0, 1e300]]), ["x"])


def test_names_of_classes_may_be_numbers_or_lists(tmp_path) -> None:
    pytest.importorskip("pyarrow", reason='needs pip install "hierloss[parquet]"')
    import pyarrow
    import pyarrow.parquet

    digits = Hierarchy.from_edges([("1", "0")], names=["0", "1", "2"])
    path = tmp_path / "x.parquet"
    columns = {"u": [1.0, 2.0, 3.0, 4.0], "one": [0, 1, None, 2]}
    columns["many"] = [["0", "2"], [], None, [" 1", ""]]
    columns["numbers"] = [[0, 2], [1], None, []]
    columns["holes"] = [["0", None], [], [], []]
    pyarrow.parquet.write_table(pyarrow.table(columns), path)

    def read(labels: str, what: str, h: Hierarchy = digits) -> Samples:
        ignore = [x for x in columns if x not in ("u", labels)]
        return read_samples(path, h, labels=labels, ignore=ignore, on_unlabelled=what)

    def target(labels: str) -> list[list[int]]:
        return read(labels, "negative").target.int().tolist()

    assert target("one") == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert target("many") == [[1, 0, 1], [0, 0, 0], [0, 0, 0], [1, 1, 0]]
    assert target("numbers") == [[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    for labels in ("one", "many", "numbers"):
        with pytest.raises(ValueError, match=r"x.parquet, row 3: expected names of classes"):
            read(labels, "raise")
        with pytest.warns(UserWarning, match="rows without names of classes left out: 1"):
            found = read(labels, "drop")
        assert found.features.tolist() == [[1], [2], [4]]
        assert found.target.int().tolist() == [x for i, x in enumerate(target(labels)) if i != 2]
    with pytest.raises(ValueError, match=r"column 'holes', row 1: .* take away what is null"):
        read("holes", "drop")
    with pytest.raises(UnknownClassError, match=r"column 'many', row 1: .* got '0'"):
        read("many", "negative", PETS)


@pytest.mark.parametrize("cell", ["", "?", " ? ", ";"])
def test_a_row_without_names_of_classes_is_no_guess(cell, write, hierarchy, tmp_path) -> None:
    lines = [*table().splitlines(), f"last,1,2,3,{cell}"]
    path = write("\n".join(lines), "pets.csv")
    asked = ("train", path, "--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name")
    said = failed(*asked)
    assert "row 61: expected names of classes, got none; pass --on-unlabelled drop to" in said
    out = ("--epochs", 1, "--out", tmp_path / "m.safetensors")
    said = ran(*asked, *out, "--on-unlabelled", "drop")
    assert "rows without names of classes left out: 1" in said
    assert "48 rows" in said
    read = read_samples(path, PETS, labels="classes", ignore=["name"], on_unlabelled="negative")
    assert read.target.shape == (61, 4)
    assert not read.target[-1].any()


def test_rows_of_an_arff_file_without_classes(write) -> None:
    path = write(arff() + "\n1,2,3,?", "pets.arff")
    with pytest.raises(ValueError, match=r"pets.arff, row 61: expected names of classes, got none"):
        read_samples(path)
    with pytest.warns(UserWarning, match="left out: 1"):
        found = read_samples(path, on_unlabelled="drop")
    assert len(found.features) == len(found.target) == 60
    assert len(read_samples(path, on_unlabelled="negative").target) == 61


def test_names_of_no_class_are_left_out_when_asked(write, hierarchy, tmp_path) -> None:
    text = "u,c\n1,pet/cat;lion\n2,wild\n3,pet/dgo\n4,lion;wild\n"
    path = write(text, "pets.csv")
    with pytest.raises(UnknownClassError, match=r"row 1: .* got 'lion', which is none of 4"):
        read_samples(path, PETS, labels="c")
    near = write(text.replace("lion", "wild"), "near.csv")
    with pytest.raises(UnknownClassError, match=r"row 3: .* did you mean 'pet/dog'"):
        read_samples(near, PETS, labels="c")
    asked = {"labels": "c", "on_unknown": "drop"}
    with pytest.raises(ValueError, match="row 3: expected names of classes"):
        read_samples(path, PETS, **asked)
    with pytest.warns(UserWarning, match="left out") as said:
        found = read_samples(path, PETS, **asked, on_unlabelled="drop")
    assert found.features.tolist() == [[1], [2], [4]]
    assert torch.equal(found.target, PETS.encode([["pet/cat"], ["wild"], ["wild"]]))
    assert [str(x.message).partition(": ")[2] for x in said] == [
        "rows without names of classes left out: 1",
        "names of no class left out: 'lion' (2), 'pet/dgo' (1)",
    ]
    for wrong in ({"on_unknown": "keep"}, {"on_unlabelled": "keep"}):
        with pytest.raises(ValueError, match=r"expected on_\w+ of 'raise', 'drop'.*, got 'keep'"):
            read_samples(path, PETS, labels="c", **wrong)


def test_a_table_is_read_as_asked(write, hierarchy, tmp_path) -> None:
    text = table().replace(",", ";").replace("classes", "Größe")
    path = write("", "pets.csv")
    path.write_bytes(text.encode("latin-1"))
    saved, out = tmp_path / "m.safetensors", tmp_path / "p.csv"
    asked = ("train", path, "--hierarchy", hierarchy, "--labels", "Größe", "--ignore", "name",
             "--epochs", 1, "--out", saved)  # fmt: skip
    assert "pass the encoding of the file, as --read encoding=latin-1" in failed(*asked)
    latin = ("--read", "encoding=latin-1")
    said = failed(*asked, *latin)
    assert "got one called 'name;u;v;w;Größe'; pass --read delimiter=';'" in said
    how = (*latin, "--read", "delimiter=;")
    ran(*asked, *how)
    assert "encoding" in failed("predict", saved, path, "--out", out)
    ran("predict", saved, path, *how, "--id", "name", "--out", out)
    assert len(out.read_text().splitlines()) == 61
    tabs = write(table().replace(",", "\t"), "pets.txt")
    assert "called .csv, .tsv, .tab or .parquet, got 'pets.txt'" in failed("predict", saved, tabs)
    ran("predict", saved, tabs, "--read", r"delimiter=\t", "--out", out)
    for wrong, said in (
        ("kind=tree", "encoding, delimiter for how to read the file, got 'kind'"),
        ("encoding=1", "expected encoding to be text, got 1"),
        ("delimiter=ab", "expected one character as a delimiter"),
    ):
        assert said in failed("predict", saved, path, "--read", wrong)


def test_an_arff_file_is_read_as_asked(write, tmp_path) -> None:
    rows = "@data\n{0 1,1 pet/cat}\n{0 2,1 pet/dog}\n{1 pet/dog}\n{0 3,1 wild/fox}\n"
    declared = "@attribute class hierarchical pet/cat,pet/dog,wild/fox"
    path = write(f"@relation pets\n@attribute u numeric\n{declared}\n{rows}", "pets.arff.gz")
    saved, out = tmp_path / "m.safetensors", tmp_path / "p.csv"
    asked = ("train", path, "--valid", 0, "--epochs", 1, "--out", saved)
    assert "number of the first attribute by --read sparse_base=" in failed(*asked)
    said = failed(*asked, "--read", "sparse_base=0")
    assert "pass --on-unknown drop to leave such out, or --read kind=tree if classes are" in said
    ran(*asked, "--read", "sparse_base=0", "--read", "kind=tree")
    assert Checkpoint.load(str(saved)).classes == ["pet", "wild", "pet/cat", "pet/dog", "wild/fox"]
    ran("predict", saved, path, "--read", "sparse_base=0", "--read", "kind=tree", "--out", out)
    said = failed("train", path, "--read", "sparse_base=x")
    assert "expected sparse_base to be a whole number, got 'x'" in said


def test_what_is_wrong_with_a_hierarchy_is_said_with_the_way_out(write, tmp_path) -> None:
    edges = write("child,parent\npet,pet/cat\npet/cat,pet\n", "tree.csv")
    asked = ("train", write(table(), "pets.csv"), "--hierarchy")
    said = failed(*asked, edges, "--labels", "classes")
    assert "pass --on-cycle drop" in said
    assert f"hierloss inspect {edges}: save it there by --save hierarchy.npz" in said
    assert "say what it is by --format" in failed(*asked, write("", "tree.dat"))


def test_the_last_suffix_says_what_a_file_is(write) -> None:
    path = write("u,c\n1,wild\n", "pets.arff.csv")
    assert read_samples(str(path), PETS, labels="c").target.tolist() == [
        [False, True, False, False]
    ]
    (block,) = read_features(str(path), ["u"])
    assert block.features.tolist() == [[1]]


def test_attributes_that_are_no_features_may_be_ignored(write) -> None:
    text = arff().replace("@attribute u numeric", "@attribute u string")
    path = write(text, "pets.arff")
    assert read_samples(path, ignore=["u"]).names == ("v", "w")
    with pytest.raises(ValueError, match="expected attributes that are features, got none"):
        read_samples(path, ignore=["v", "w"])


def test_rows_that_are_named_have_names(trained, write) -> None:
    model, _ = trained
    path = write("id,u,v,w\na,1,2,3\n,1,2,3\n", "x.csv")
    said = failed("predict", model, path, "--id", "id")
    assert "column 'id', row 2: expected what names the row, got nothing" in said


def test_every_model_is_named_in_the_help() -> None:
    said = "".join(ran("train", "--help").split())  # wrapped at hyphens too
    for name in MODELS:
        assert name in said


def test_classes_without_a_column_follow_those_below_them(write) -> None:
    """Above a 1 they are 1, else above an unknown unknown, else 0, as those with nothing below."""
    h = Hierarchy.from_paths(["a/b/c", "a/d", "e"])
    path = write("u,a,a/b/c\n1,1,1\n1,1,0\n1,1,\n1,,1\n", "x.csv")
    with pytest.warns(UserWarning, match=r"taken for 0 in all rows: 'e', 'a/d' \(2 of 5\)"):
        found = read_samples(path, h)
    nan = torch.nan
    expected = [[1, 0, 1, 0, 1], [1, 0, 0, 0, 0], [1, 0, nan, 0, nan], [1, 0, 1, 0, 1]]
    assert h.names == ("a", "e", "a/b", "a/d", "a/b/c")
    assert_close(found.target, torch.tensor(expected), equal_nan=True)


@pytest.mark.filterwarnings("ignore:.*classes without a column")
def test_a_class_has_one_column(write) -> None:
    h = PETS.with_aliases({"cat": "pet/cat"})
    path = write("u,pet/cat,cat\n1,1,1\n", "pets.csv")
    with pytest.raises(ValueError, match="one column for a class, got 'pet/cat' and 'cat', which"):
        read_samples(path, h)
    assert read_samples(path, h, ignore=["pet/cat"]).target.tolist() == [[True, False, True, False]]


@pytest.mark.filterwarnings("ignore:.*classes without a column")
def test_unknown_labels_and_inference_upward(write) -> None:
    file = write("u,pet/cat,pet/dog\n1,1,0\n2,,0\n3,0,\n4,0,0\n,true,false\n", "pets.csv")
    found = read_samples(file, PETS)
    nan = torch.nan
    expected = [[1, 0, 1, 0], [nan, 0, nan, 0], [nan, 0, 0, nan], [0, 0, 0, 0], [1, 0, 1, 0]]
    assert PETS.names == ("pet", "wild", "pet/cat", "pet/dog")
    assert_close(found.target, torch.tensor(expected), equal_nan=True)
    assert found.names == ("u",)
    assert np.isnan(found.features[4, 0])
    fit("MLP", found, None, Settings(epochs=1), options={"hidden": 4})


@pytest.mark.filterwarnings("ignore:.*classes without a column")
@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("u,c\n1,lion\n", "c", "column 'c', row 1: expected classes of the hierarchy"),
        ("u,c\nx,wild\n", "c", "column 'u', row 1: expected a finite number, got 'x'"),
        ("u,c\n1,wild\ninf,wild\n", "c", "row 2: expected a finite number, got 'inf'"),
        ("u,c\n1\n", "c", "line 2: expected 2 cells as in the header, got 1"),
        ("u,c\n", "c", "expected rows to learn from below the header"),
        ("", "c", "expected a header"),
        ("u,u\n1,2\n", "c", "got 'u' twice"),
        ("u,v\n1,2\n", "c", "expected a column 'c'"),
        ("u,v\n1,2\n", None, "expected a column called like a class, such as 'pet'"),
        ("u,wild\n1,2\n", None, "column 'wild', row 1: expected 0 or 1"),
        ("wild\n1\n", None, "expected columns with features"),
        ("u,c\n1e39,wild\n", "c", "column 'u', row 1: expected a number that float32 can hold"),
        (
            "u,pet,pet/dog\n1,1,1\n1,,1\n1,0,1\n",
            None,
            "pets.csv, row 3: expected 1 for the ancestors of a class with 1, got 'pet/dog' = 1 "
            "and its ancestor 'pet' = 0",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text, labels, message, write) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        read_samples(write(text, "pets.csv"), PETS, labels=labels)
    assert message in str(error.value)


def test_what_is_wrong_with_a_command_is_said(trained, write, hierarchy) -> None:
    model, file = trained
    pets = write(table(), "pets.csv")
    named = ("--hierarchy", hierarchy, "--labels", "classes")
    assert "expected a hierarchy beside a table, got none; pass --hierarchy" in failed(
        "train", pets
    )
    said = failed("train", pets, *named)
    assert "column 'name', row 1: expected a finite number" in said
    assert "if it is no feature, pass the column as --ignore" in said
    assert "no column of labels" in failed("train", file, "--labels", "x")
    assert "expected a model of MLP" in failed("train", file, "--model", "no")
    assert "expected options of MLP" in failed("train", file, "-o", "width=3")
    assert "expected options of MLP: hidden, layers, dropout, balance, got 'weight'" in failed(
        "train", file, "-o", "weight=3"
    )
    for option, wanted in {
        "hidden=1.5": "a whole",
        "dropout=x": "a",
        "hidden=true": "a whole",
    }.items():
        message = f"{option.partition('=')[0]} of MLP to be {wanted} number, got "
        assert message in failed("train", file, "-o", option)
    lmlp = ("--model", "HMC-LMLP", "-o", "hidden=3")
    assert "hidden of HMC-LMLP to be a list of numbers, got 3" in failed("train", file, *lmlp)
    hmcn = ("--model", "HMCN-F", "-o", "batch_norm=2")
    assert "batch_norm of HMCN-F to be true or false, got 2" in failed("train", file, *hmcn)
    for share in ("2", "nan", "-0.1", "inf"):
        assert "leaves some of both" in failed("train", file, "--valid", share)
    assert "expected a separator between the names" in failed("train", pets, *named, "--sep", "")
    assert "expected weight_decay of 0 or more" in failed("train", file, "--weight-decay", "-1")
    for device in ("nosuch", "cuda:99", "meta", ""):
        result = run("train", file, "--device", device)
        assert result.exit_code == 2
        assert f"expected a device that is there, such as cpu, got {device!r}" in result.output
    for wrong in (("train", file, "--seed", -1), ("predict", model, file, "--block", 0)):
        result = run(*wrong)
        assert result.exit_code == 2
        assert "is not in the range" in result.output
    assert "attribute 'x' to ignore" in failed("train", file, "--ignore", "x")
    assert "NAME=VALUE" in run("train", file, "-o", "width").output
    assert "an ARFF file has none" in failed("predict", model, file, "--id", "x")
    short = write("u,v\n1,2\n", "short.csv")
    assert "expected a column 'w'" in failed("predict", model, short)
    assert "to write that ends in .csv" in failed("predict", model, pets, "--out", "p.doc")
    fewer = write(arff().replace("@attribute u", "@attribute x"), "fewer.arff")
    assert "expected a feature 'u'" in failed("predict", model, fewer)
    assert "expected a feature 'u'" in failed("train", file, "--valid", fewer)


def test_an_output_that_fails_leaves_nothing(trained, write, tmp_path) -> None:
    model, _ = trained
    bad = write("u,v,w\n1,2,3\n1,2,x\n", "bad.csv")
    out = tmp_path / "new" / "p.csv"
    out.parent.mkdir()
    assert "row 2" in failed("predict", model, bad, "--block", 1, "--out", out)
    assert list(out.parent.iterdir()) == []


def test_features_may_be_left_out_and_reordered(write) -> None:
    file = write("v,id,u\n1,a,2\n3,b,\n", "pets.csv")
    blocks = list(read_features(file, ["u", "v"], id="id", size=1))
    assert [block.ids for block in blocks] == [["a"], ["b"]]
    np.testing.assert_array_equal(
        np.concatenate([b.features for b in blocks]), [[2, 1], [np.nan, 3]]
    )
    left = read_samples(write(arff(), "pets.arff"), ignore=["v"])
    assert left.names == ("u", "w")
    with pytest.raises(UnknownClassError):
        read_samples(write(arff(), "pets.arff"), Hierarchy.from_paths(["other"]))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="expected seed of 0 or more, got -1"):
        Settings(seed=-1)
    with pytest.raises(ValueError, match="expected weight_decay of 0 or more, got nan"):
        Settings(weight_decay=float("nan"))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_trained_without_edges(name: str, tmp_path: Path) -> None:
    features, labels = samples()
    flat = Hierarchy.from_edges([], names=LEAVES)
    rows = Samples(features, ("u", "v", "w"), flat.encode([[x] for x in labels]), flat)
    train, valid = split(rows, 0.2)
    fitted = fit(name, train, valid, Settings(epochs=2), state=tmp_path / "state")
    fitted.checkpoint.save(path := tmp_path / "m.safetensors")
    assert Checkpoint.load(path).predict(features).shape == (60, 3)


def test_a_split_keeps_all_samples_apart() -> None:
    features, labels = samples()
    all_rows = Samples(features, ("u", "v", "w"), PETS.encode([[x] for x in labels]), PETS)
    train, valid = split(all_rows, 0.25, seed=1)
    assert valid is not None
    assert (len(train.features), len(valid.features)) == (45, 15)
    both = np.concatenate([train.features, valid.features])
    assert set(map(tuple, both)) == set(map(tuple, features))
    assert split(all_rows, 0)[1] is None


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("pyarrow", "parquet", lambda path: column_names(path / "x.parquet")),
        ("pyarrow", "parquet", lambda path: write_table(path / "x.parquet").__enter__()),
        ("safetensors", "train", lambda path: Checkpoint.load(path / "x.safetensors")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    package, extra, call, tmp_path, monkeypatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object, **others: object) -> object:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **others)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=rf"hierloss\[{extra}\]"):
        call(tmp_path)


def test_a_quote_that_is_not_closed_swallows_no_rows(write: Callable[..., Path]) -> None:
    path = write('u,name\n1,a\n2,"b\n3,c\n', "open.csv")
    with pytest.raises(ValueError, match=r"open\.csv, line 3: expected a row.*mend its quotes"):
        list(read_table(path, ["u"]))


def test_a_file_to_write_is_not_called_compressed(tmp_path) -> None:
    expected = r"ends in \.csv, \.tsv, \.tab, \.parquet, uncompressed"
    with pytest.raises(ValueError, match=expected), write_table(tmp_path / "p.csv.gz"):
        pass
    assert not list(tmp_path.iterdir())


def test_no_file_that_is_read_is_written_over(
    write: Callable[..., Path], hierarchy: Path, tmp_path: Path
) -> None:
    path, model = write(table(), "pets.csv"), tmp_path / "model.safetensors"
    command = ("train", path, "--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name")
    ran(*command, *QUICK, "--out", model)
    other = write(table(), "other.csv")
    kept = {x: x.read_bytes() for x in (path, hierarchy, model, other)}
    for arguments in (
        (*command, "--out", path),
        (*command, "--out", hierarchy),
        (*command, "--valid", other, "--out", other),
        ("predict", model, path, "--out", path),
        ("predict", model, path, "--out", model),
        ("inspect", hierarchy, "--save", hierarchy),
    ):
        assert "expected another file to write than is read" in failed(*arguments)
    assert kept == {x: x.read_bytes() for x in kept}


def test_the_ids_have_a_column_of_their_own(
    write: Callable[..., Path], hierarchy: Path, tmp_path: Path
) -> None:
    path, model = write(table(), "pets.csv"), tmp_path / "m.safetensors"
    ran("train", path, "--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name",
        *QUICK, "--out", model)  # fmt: skip
    text = path.read_text()
    for name, more in (("class", ("--top", "1")), ("probability", ("--top", "1")), ("wild", ())):
        renamed = write(text.replace("name", name, 1), "renamed.csv")
        out = tmp_path / "new" / "p.csv"
        assert "a name of its own" in failed("predict", model, renamed, "--id", name, "--out", out,
                                             *more)  # fmt: skip
        assert not out.exists()


def test_rows_for_validation_have_classes(write: Callable[..., Path], hierarchy: Path) -> None:
    path = write(table(), "pets.csv")
    none = write("name,u,v,w,classes\nx,1,2,3,\n", "none.csv")
    said = failed("train", path, "--hierarchy", hierarchy, "--labels", "classes", "--ignore",
                  "name", "--on-unlabelled", "negative", "--valid", none)  # fmt: skip
    assert "expected samples for validation with classes, got none" in said


def test_the_score_that_is_said_is_that_of_the_model() -> None:
    features, labels = samples()
    rows = Samples(features, ("u", "v", "w"), PETS.encode([[x] for x in labels]), PETS)
    train, valid = split(rows, 0.25)
    fitted = fit("HMC-LMLP", train, valid, Settings(epochs=3, batch=8, lr=0.02))
    p = fitted.checkpoint.predict(valid.features)
    assert fitted.auprc == pytest.approx(average_precision(p, valid.target))
    assert fitted.auprc != fitted.best.auprc


def test_the_format_of_a_hierarchy_is_one_of_those_there_are(
    write: Callable[..., Path], hierarchy: Path
) -> None:
    found = run("train", write(table(), "pets.csv"), "--hierarchy", hierarchy, "--format", "foo")
    assert found.exit_code == 2
    assert "'foo' is not one of 'obo'" in found.output


def test_features_for_validation_are_found_by_name() -> None:
    features, labels = samples()
    rows = Samples(features, ("u", "v", "w"), PETS.encode([[x] for x in labels]), PETS)
    train, valid = split(rows, 0.25)
    turned = valid._replace(features=valid.features[:, [2, 0, 1]], names=("w", "u", "v"))
    settings = Settings(epochs=3, batch=8, lr=0.02)
    one, other = (fit("MLP", train, x, settings).best for x in (valid, turned))
    assert one.auprc == other.auprc
    for names, said in ((("u", "v", "x"), "none called 'w'"), (("u", "v", "w", "x"), "'x' too")):
        wrong = valid._replace(features=np.zeros((15, len(names))), names=names)
        with pytest.raises(ValueError, match=said):
            fit("MLP", train, wrong, settings)
    others = Hierarchy.from_paths(["pet/cat", "pet/dog", "tame"])
    with pytest.raises(ValueError, match="classes of training"):
        fit("MLP", train, valid._replace(hierarchy=others), settings)


def test_a_class_is_no_feature_beside_labels(write: Callable[..., Path], hierarchy: Path) -> None:
    lines = table().splitlines()
    path = write("\n".join([f"{lines[0]},wild", *(f"{x},1" for x in lines[1:])]), "leak.csv")
    with pytest.raises(ValueError, match=r"got 'wild', which is a class; pass ignore=\('wild',\)"):
        read_samples(path, PETS, labels="classes", ignore=["name"])
    read = read_samples(path, PETS, labels="classes", ignore=["name", "wild"])
    assert read.names == ("u", "v", "w")
    with pytest.raises(ValueError, match="'id', got none of that name but 'name', 'u'"):
        read_samples(path, PETS, labels="id")


@pytest.mark.filterwarnings("ignore:.*classes without a column")
@pytest.mark.parametrize(
    ("name", "own"), [("Wild", "wild"), (" wild ", "wild"), ("PET/Dog", "pet/dog"), ("Cat", "cat")]
)
def test_a_class_in_other_letters_is_no_feature(name: str, own: str, write) -> None:
    h = PETS.with_aliases({"cat": "pet/cat"})
    path = write(f"u,pet,{name},c\n1,1,0,pet\n2,0,1,wild\n", "leak.csv")
    for asked in ({"ignore": ["c"]}, {"labels": "c", "ignore": ["pet"]}):
        with pytest.raises(ValueError, match=f"got {name!r}, which is the class {own!r} but for"):
            read_samples(path, h, **asked)
        ignore = [*asked.pop("ignore"), name]
        assert read_samples(path, h, **asked, ignore=ignore).names == ("u",)


def test_the_command_says_how_a_class_in_other_letters_is_passed_over(write, hierarchy) -> None:
    path = write("u,pet,Wild \n1,1,0\n", "leak.csv")
    said = failed("train", path, "--hierarchy", hierarchy)
    assert "call the column 'wild' if it has the labels, pass --ignore 'Wild ' to" in said


def test_a_model_is_evaluated(write, hierarchy, tmp_path) -> None:
    file, saved = write(table(marks=True), "pets.csv"), tmp_path / "m.safetensors"
    ran("train", file, "--hierarchy", hierarchy, "--ignore", "name", *QUICK, "--without", "wild",
        "--out", saved)  # fmt: skip
    other = write(table().replace("u,v,w", "w,v,more", 1).replace("name", "u", 1), "other.csv")
    assert "column 'u', row 1: expected a finite number" in failed(
        "evaluate", saved, other, "--labels", "classes"
    )
    named, out = write(table(), "named.csv"), tmp_path / "new" / "scores.json"
    said = ran("evaluate", saved, named, "--labels", "classes", "--threshold", 0.3, "--json", out)
    checkpoint = Checkpoint.load(saved)
    x, labels = samples()
    y, classes = PETS.encode([[i] for i in labels]), torch.tensor([True, False, True, True])
    p = checkpoint.model.predict(checkpoint.standardise(x))
    found = json.loads(out.read_text())
    precision, recall, f = hierarchical_scores(p >= 0.3, y, PETS, classes)
    expected = {
        "rows": 60, "classes": 3, "positive_classes": 3,
        "auprc": average_precision(p, y, classes), "auprc_clus": interpolated_auprc(p, y, classes),
        "threshold": 0.3, "precision": precision, "recall": recall, "f": f, "violation_rate": 0.0,
    }  # fmt: skip
    assert found == pytest.approx(expected)
    assert "60 rows, 3 classes, 3 of them with rows" in said
    assert f"AU(PRC) {found['auprc']:.4f} as in C-HMCNN, {found['auprc_clus']:.4f} as in" in said
    assert f"at 0.3: precision {precision:.4f}, recall {recall:.4f}, F {f:.4f}" in said
    assert json.loads(out.read_text()) == found
    assert ran("evaluate", saved, file).splitlines()[1] == said.splitlines()[1]


def test_an_arff_file_is_evaluated(trained, write) -> None:
    model, file = trained
    header, _, rows = file.read_text().partition("@data\n")
    turned = header.replace("pet,pet/cat,pet/dog,wild", "wild,pet,pet/dog,pet/cat")
    said = ran("evaluate", model, file)
    assert "60 rows, 4 classes, 4 of them with rows" in said
    assert ran("evaluate", model, write(f"{turned}@data\n{rows}", "turned.arff")) == said
    fewer = write(f"{header.replace(',pet/dog', '')}@data\n{rows}", "fewer.arff")
    assert ran("evaluate", model, fewer) == said  # the model knows pet/dog


def test_what_cannot_be_evaluated_is_said(trained, write, tmp_path) -> None:
    model, file = trained
    none = write("u,v,w,c\n1,2,3,\n", "none.csv")
    asked = ("evaluate", model, none, "--labels", "c", "--on-unlabelled")
    assert "expected samples with classes to judge by, got none" in failed(*asked, "negative")
    assert "pass --on-unlabelled drop" in failed(*asked, "raise")
    assert "expected a threshold from 0 to 1" in failed("evaluate", model, file, "--threshold", 2)
    assert "another file to write" in failed("evaluate", model, file, "--json", model)
    assert "column called like a class, such as 'pet'" in failed("evaluate", model, none)
    near = write("u,v,w,pet,Wild\n1,2,3,1,0\n", "near.csv")
    assert "got 'Wild', which is the class 'wild' but" in failed("evaluate", model, near)


def test_a_file_for_validation_has_what_training_needs(write, hierarchy, tmp_path) -> None:
    file = write(table(), "pets.csv")
    lines = [x.split(",") for x in table().splitlines()]
    fewer = [",".join([*x[3:0:-1], "more" if i == 0 else "x", x[4]]) for i, x in enumerate(lines)]
    asked = ("train", file, "--hierarchy", hierarchy, "--labels", "classes", "--ignore", "name",
             "--epochs", 1, "--out", tmp_path / "m.safetensors")  # fmt: skip
    said = ran(*asked, "--valid", write("\n".join(fewer), "valid.csv"))
    assert "60 rows, 3 features" in said
    assert "on 60 other rows" in said
    short = write("u,w,classes\n1,2,wild\n", "short.csv")
    assert "expected a column 'v'" in failed(*asked, "--valid", short)


@pytest.mark.parametrize("model", ["MLP", "HMC-LMLP"])
def test_epochs_are_lines_where_there_is_no_terminal(model: str, write, tmp_path) -> None:
    file, options = write(arff(), "pets.arff"), ("--model", model, "--epochs", 2)
    said = ran("train", file, *options, "--out", tmp_path / "m.safetensors").splitlines()
    stages = ["", "stage 2, "] if model == "HMC-LMLP" else [""]
    wanted = [f"{stage}epoch {i}: loss " for stage in stages for i in (1, 2)]
    assert [line.partition("0.")[0] for line in said[: len(wanted)]] == wanted
    assert re.fullmatch(r"epoch 1: loss \d\.\d{4}, AU\(PRC\) \d\.\d{4}", said[0])
    assert said[len(wanted)].startswith("48 rows")


def test_a_line_is_written_at_once_and_a_terminal_has_a_bar(monkeypatch) -> None:
    file, written = io.StringIO(), []
    monkeypatch.setattr(file, "flush", lambda: written.append(file.getvalue()), raising=False)
    with progress(Console(file=file), 2) as shown:
        shown.step(1, 2)
        for i in (1, 2):
            shown.epoch(Epoch(0, i, 0.5, 1.0, None))
    assert [x for x in written if x] == [
        "epoch 1: loss 0.5000\n", "epoch 1: loss 0.5000\nepoch 2: loss 0.5000\n"
    ]  # fmt: skip
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=True), 2) as shown:
        shown.epoch(Epoch(0, 1, 0.5, 1.0, None))
    assert isinstance(shown, Bar)
    assert "epoch 1:" not in file.getvalue()


@pytest.mark.filterwarnings("ignore:.*classes without a column")
def test_rows_without_a_known_label_are_told(write) -> None:
    path = write("u,pet,wild\n1,1,0\n2,,\n3,,1\n4,?,NA\n", "x.csv")
    with pytest.warns(UserWarning, match="rows without a known label: 2; pass on_unlabelled="):
        kept = read_samples(path, PETS)
    assert kept.target.isnan()[:, :2].int().tolist() == [[0, 0], [1, 1], [1, 0], [1, 1]]
    with pytest.warns(UserWarning, match=r"rows without a known label \(0 or 1\) left out: 2"):
        found = read_samples(path, PETS, on_unlabelled="drop")
    assert found.features.tolist() == [[1], [3]]
    assert_close(found.target, kept.target[[0, 2]], equal_nan=True)
    found = read_samples(path, PETS, on_unlabelled="negative")
    assert found.target[:, :2].nan_to_num(nan=-1).tolist() == [[1, 0], [0, 0], [-1, 1], [0, 0]]
    with pytest.raises(ValueError, match=r"row 2: expected a known label \(0 or 1\), got none"):
        read_samples(path, PETS, on_unlabelled="raise")


@pytest.mark.filterwarnings("ignore:.*classes without a column")
@pytest.mark.parametrize("what", [None, "drop"])
def test_labels_that_are_all_unknown_are_refused(what, write) -> None:
    path = write("u,pet,wild\n1,,\n2,,\n", "x.csv")
    with pytest.raises(ValueError, match="expected a known label, 0 or 1, in a row of the columns"):
        read_samples(path, PETS, on_unlabelled=what)
    assert not read_samples(path, PETS, on_unlabelled="negative").target.any()


def test_features_that_no_row_has_are_told(write, hierarchy, tmp_path) -> None:
    path = write("u,v,w,c\n1,,NA,wild\n2,,?,pet\n", "x.csv")
    with pytest.warns(UserWarning, match="x.csv: features that are empty in all rows: 'v', 'w'$"):
        read_samples(path, PETS, labels="c")
    rows = "\n".join(f"{i},?,wild" for i in range(3))
    header = "@relation x\n@attribute u numeric\n@attribute v numeric\n@attribute c hierarchical"
    with pytest.warns(UserWarning, match="x.arff: features that are empty in all rows: 'v'$"):
        read_samples(write(f"{header} pet,wild\n@data\n{rows}", "x.arff"))


def test_a_warning_tells_of_options(write, hierarchy, tmp_path) -> None:
    path = write("u,pet,pet/cat,pet/dog,wild\n1,1,1,0,0\n2,,,,\n3,0,0,0,1\n", "x.csv")
    asked = ("train", path, "--hierarchy", hierarchy, "--valid", 0, "--epochs", 1)
    said = ran(*asked, "--out", tmp_path / "m.safetensors")
    assert "rows without a known label: 1; pass --on-unlabelled drop to" in said


def test_labels_that_an_arff_file_does_not_declare_are_left_out_when_asked(write, tmp_path) -> None:
    path = write(arff() + "\n1,2,3,lion\n1,2,3,wild@lion", "pets.arff")
    asked = ("train", path, "--valid", 0, "--epochs", 1, "--out", tmp_path / "m.safetensors")
    assert "got 'lion'; declare it, or pass --on-unknown drop" in failed(*asked)
    drop = (*asked, "--on-unknown", "drop")
    assert "row 61: expected names of classes, got none" in failed(*drop)
    said = ran(*drop, "--on-unlabelled", "drop")
    assert "classes left out that the header does not declare: 'lion'" in said
    assert "61 rows" in said


@pytest.mark.parametrize("valid", ["20%", "0,2", "none.arff"])
def test_what_is_neither_a_share_nor_a_file_is_refused(valid: str, write) -> None:
    said = failed("train", write(arff(), "pets.arff"), "--valid", valid)
    assert f"expected --valid to be a share such as 0.2, or a file, got {valid!r}" in said


def test_rows_to_train_on_are_none_to_validate_with(write, tmp_path) -> None:
    path = write(arff(), "pets.arff")
    (tmp_path / "link.arff").symlink_to(path)
    for valid in (path, tmp_path / "link.arff"):
        assert "to be another file than that to train" in failed("train", path, "--valid", valid)


def test_a_model_that_cannot_be_written_is_not_trained(write, tmp_path, monkeypatch) -> None:
    path = write(arff(), "pets.arff")
    monkeypatch.setattr("hierloss.fitting.fit", lambda *_, **__: pytest.fail("it was trained"))
    for name in ("m", "m.csv", "m.safetensors.gz"):
        said = failed("train", path, "--out", tmp_path / name)
        assert f"expected a file to write that ends in .safetensors, got {name!r}" in said
    said = failed("train", path, "--out", path / "new" / "m.safetensors")
    assert f"expected a folder that can be written to, got {str(path)!r} (Not a directory)" in said
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "option"), [("CHMC-LSTM", "balance"), ("HMCN-CHMC", "global_loss")]
)
def test_what_makes_a_configuration_is_no_option(name: str, option: str) -> None:
    with pytest.raises(ValueError, match=rf"expected options of {name}: .*, got {option!r}"):
        build(name, PETS, 3, options={option: 0.3})


def test_an_option_of_a_model_is_finite() -> None:
    with pytest.raises(ValueError, match="dropout of MLP to be finite, got nan"):
        build("MLP", PETS, 3, options={"dropout": float("nan")})
