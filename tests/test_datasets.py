"""The data sets of the paper: small ones of our own, and the real ones where they are at hand."""

from __future__ import annotations

import gzip
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hierloss.metrics import violation_rate
from hierloss.models import SYSTEMS
from hierloss.paper import files
from hierloss.paper.datasets import EXCLUDED, Dataset, load
from hierloss.paper.download import download
from hierloss.paper.registry import File, entries, entry
from hierloss.preprocessing import Standardiser

pytest.importorskip("requests", reason='requests is missing; pip install "hierloss[paper]"')
pytest.importorskip("sklearn", reason='scikit-learn is missing; pip install "hierloss[paper]"')

from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

nan = math.nan
FILE = File("x.arff", "x.arff", "0" * 40)

# One-hot features, validation rows, edges, classes with several parents, rows without a class.
RECOMPUTED = {
    "cellcycle_FUN": (77, 848, 481, 0, 0),
    "derisi_FUN": (63, 842, 481, 0, 0),
    "eisen_FUN": (79, 529, 443, 0, 0),
    "expr_FUN": (561, 849, 481, 0, 0),
    "gasch1_FUN": (173, 846, 481, 0, 0),
    "gasch2_FUN": (52, 849, 481, 0, 0),
    "seq_FUN": (529, 879, 481, 0, 0),
    "spo_FUN": (86, 837, 481, 0, 0),
    "cellcycle_GO": (77, 848, 5827, 1477, 71),
    "derisi_GO": (63, 842, 5821, 1477, 71),
    "eisen_GO": (79, 528, 5037, 1277, 3),
    "expr_GO": (561, 849, 5837, 1480, 71),
    "gasch1_GO": (173, 846, 5827, 1477, 71),
    "gasch2_GO": (52, 849, 5837, 1480, 71),
    "seq_GO": (529, 876, 5839, 1480, 72),
    "spo_GO": (86, 837, 5821, 1477, 71),
    "Diatoms": (371, 0, 313, 0, 0),
    "Enron": (1001, 0, 53, 0, 0),
    "ImCLEF07A": (80, 0, 88, 0, 0),
    "ImCLEF07D": (80, 0, 42, 0, 0),
}


HEAD = """@relation small
@attribute a numeric
@attribute b {u,v}
@attribute class hierarchical root/GO0003674,GO0003674/GO1,root/GO2,GO1/GO3,GO2/GO3
@data
"""
TRAIN = "1,u,GO3\n3,v,GO1\n?,?,GO0003674\n"
VALID = "8,u,GO2\n"
TEST = "2,v,GO3\n?,u,GO1\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder of data with stand-ins for the three files of a data set."""
    folder = tmp_path / "hmc"
    folder.mkdir()
    for split, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        (folder / f"eisen_GO.{split}.rebuilt.arff").write_text(HEAD + rows)
    return tmp_path


@pytest.fixture(scope="module", params=entries())
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A data set of the paper, from its files."""
    name, cache = request.param, tmp_path_factory.mktemp("cache")
    if not all(files.find(file, cache=cache) for file in entry(name).files.values()):
        pytest.skip(f"{name} is not in {files.data_folder()}; set HIERLOSS_DATA to where it is")
    return load(name, cache=cache)


def test_the_real_files_have_the_facts_of_the_notes(real: Dataset) -> None:
    one, name, data = real.entry, real.entry.name, real
    h, facts = data.hierarchy, data.facts()
    assert facts.cardinality == pytest.approx(one.facts.cardinality, abs=5.1e-4)
    assert facts.density == pytest.approx(one.facts.density, rel=5e-4)
    assert replace(facts, cardinality=0, density=0) == replace(one.facts, cardinality=0, density=0)
    assert len(data.splits["train"].feature_names) == RECOMPUTED[name][0]
    assert (len(data.splits["valid"].labels) if "valid" in data.splits else 0) == RECOMPUTED[name][
        1
    ]
    assert len(h.edges) == RECOMPUTED[name][2]
    assert data.naive() == pytest.approx(one.naive, abs=5.1e-5)
    assert sum(len(h.parents(x)) > 1 for x in h) == RECOMPUTED[name][3]
    target = torch.cat([file.target() for file in data.splits.values()])
    assert int((~target[:, data.weight > 0].any(1)).sum()) == RECOMPUTED[name][4]
    assert len(data.rebuilt) == name.startswith("expr")
    excluded = [x for x, weight in zip(h, data.weight.tolist(), strict=True) if weight == 0]
    assert excluded == (list(EXCLUDED) if name.endswith("GO") else [])


@pytest.mark.parametrize("system", ["HLSTM", "CHMCNN"])
def test_predictions_on_the_real_files_are_coherent(real: Dataset, system: str) -> None:
    _, test = real.final()
    features = test.features[:64]
    model = SYSTEMS[system](real.hierarchy, features.shape[1], weight=real.weight, hidden=8)
    counted = real.weight > 0
    raw = model.eval()(features).global_logits
    assert violation_rate(raw, real.hierarchy, counted) > 0.1
    assert violation_rate(model.predict(features), real.hierarchy, counted) == 0


def test_a_data_set(small: Path) -> None:
    data = load("eisen_GO", data=small, cache=small)
    assert data.hierarchy.names == ("root", "GO0003674", "GO2", "GO1", "GO3")
    assert data.weight.tolist() == [0, 0, 1, 1, 1]
    assert tuple(data.splits) == ("train", "valid", "test")
    assert data.rebuilt == tuple(f"eisen_GO.{x}.rebuilt.arff" for x in ("train", "valid", "test"))
    facts = data.facts()
    assert (facts.classes, facts.features, facts.train, facts.test) == (3, 2, 3, 2)
    assert (facts.taxonomy, facts.depth, facts.per_level) == ("DAG", 3, 1)
    assert facts.cardinality == pytest.approx(4 / 3)


def test_class_frequencies_as_scores(small: Path) -> None:
    data = load("eisen_GO", data=small, cache=small)
    # GO1 and GO2 are in 2 of 4 rows and GO3 is in 1; of 2 test rows they are in 2, 1 and 1
    assert data.naive() == pytest.approx(3 / 4 * 3 / 4 + 1 / 4 * 4 / 6)


def test_selection_and_final_rows_are_fitted_on_training_rows_only(small: Path) -> None:
    data = load("eisen_GO", data=small, cache=small)
    train, valid = data.selection()
    a = math.sqrt(2 / 3)
    column = torch.tensor([-1 / a, 1 / a, 0])
    torch.testing.assert_close(train.features[:, 0], column)
    torch.testing.assert_close(valid.features[:, 0], torch.tensor([6 / a]))
    train, test = data.final()
    assert len(train.features) == len(train.target) == 4
    torch.testing.assert_close(train.features.mean(0), torch.zeros(3))
    torch.testing.assert_close(train.features.std(0, correction=0), torch.ones(3))
    assert test.features[1, 0] == 0
    assert test.target.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 1, 0]]
    assert train.features.dtype == torch.float32
    assert train.target.dtype == torch.bool


def test_without_a_validation_file_rows_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "hmc").mkdir()
    head = "@attribute x numeric\n@attribute class hierarchical a,a/b\n@data\n"
    rows = "".join(f"{i},a\n" for i in range(988))
    (tmp_path / "hmc" / "Enron_corr_trainvalid.rebuilt.arff").write_text(head + rows)
    (tmp_path / "hmc" / "Enron_corr_test.rebuilt.arff").write_text(head + "1,a/b\n")
    data = load("Enron", data=tmp_path, cache=tmp_path)
    assert tuple(data.splits) == ("train", "test")
    train, valid = data.selection(seed=1)
    assert (len(train.features), len(valid.features)) == (entry("Enron").printed.train, 296)
    torch.testing.assert_close(train.features.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(data.selection(seed=1)[1].features, valid.features)
    assert not torch.equal(data.selection(seed=2)[1].features, valid.features)
    both = torch.cat([train.features, valid.features]).unique()
    assert len(both) == 988
    assert len(data.final()[0].features) == 988


@pytest.mark.parametrize("other", [HEAD.replace("GO3", "GO4"), HEAD.replace("{u,v}", "{v,u}")])
def test_files_that_do_not_belong_together(small: Path, other: str) -> None:
    path = small / "hmc" / "eisen_GO.valid.rebuilt.arff"
    path.write_text(other + "1,u,GO1\n")
    with pytest.raises(ValueError, match=r"valid.rebuilt.arff: expected the classes and features"):
        load("eisen_GO", data=small, cache=small)


def test_the_true_file_goes_before_its_stand_in(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    (data / "hmc").mkdir(parents=True)
    cache.mkdir()
    content = b"@relation true"
    blob = files.blob_id(content)
    file = File("x.arff", "x.arff", blob)
    assert files.find(file, data=data, cache=cache) is None
    stand_in = data / "hmc" / "x.rebuilt.arff.gz"
    stand_in.write_bytes(gzip.compress(b"anything"))
    assert files.find(file, data=data, cache=cache) == files.Found(stand_in, rebuilt=True)
    (cache / "x.arff").write_bytes(content[:-1])
    assert files.find(file, data=data, cache=cache) == files.Found(stand_in, rebuilt=True)
    (cache / "x.arff").write_bytes(content)
    assert files.find(file, data=data, cache=cache) == files.Found(cache / "x.arff")
    at_hand = data / "hmc" / "x.arff.gz"
    at_hand.write_bytes(gzip.compress(content))
    assert files.find(file, data=data, cache=cache) == files.Found(at_hand)
    at_hand.write_bytes(gzip.compress(content[:-1]))
    with pytest.raises(
        ValueError, match=f"x.arff.gz: expected the file with the git blob id {blob}"
    ):
        files.find(file, data=data, cache=cache)


def test_the_folders_are_told_by_the_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIERLOSS_DATA", str(tmp_path))
    monkeypatch.setenv("HIERLOSS_CACHE", str(tmp_path / "new"))
    assert files.data_folder() == tmp_path
    assert files.cache_folder() == tmp_path / "new"
    monkeypatch.setenv("HIERLOSS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="expected a folder in HIERLOSS_DATA"):
        files.data_folder()
    monkeypatch.delenv("HIERLOSS_DATA")
    monkeypatch.delenv("HIERLOSS_CACHE")
    assert files.data_folder().parts[-2:] == ("shared", "data")
    assert files.cache_folder().name == "hierloss"


def test_features_are_standardised_as_scikit_learn_does_it() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, [1, 5, 0.1, 2, 0], (50, 5)), rng.normal(0, 9, (20, 5))
    train[rng.random(train.shape) < 0.3] = nan
    test[rng.random(test.shape) < 0.3] = nan
    train[:, 3] = nan
    own = Standardiser.fit(train)
    theirs = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit(train)
    for rows in (train, test):
        expected = torch.from_numpy(theirs.transform(rows)).float()
        torch.testing.assert_close(own(rows), expected, atol=1e-6, rtol=1e-5)
    assert not own(train).isnan().any()


def test_standardised_features_have_the_width_of_training() -> None:
    own = Standardiser.fit(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(samples, 2\) as in training, got \(3, 4\)"):
        own(np.ones((3, 4)))


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("sklearn.impute", lambda: Standardiser.fit(np.ones((2, 2)))),
        ("platformdirs", files.cache_folder),
        ("requests", lambda: download(FILE, Path("folder"))),
        ("filelock", lambda: download(FILE, Path("folder"))),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    module: str, call: Callable[[], object], monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIERLOSS_CACHE", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=r"expected .*, got none; pip install \"hierloss\[(paper|sklearn)\]"
    ):
        call()
