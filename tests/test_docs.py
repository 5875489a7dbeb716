"""The examples of the README and the documentation run, and print what they say."""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
# Pages that need a tool which is not always there: its module, and the extra that brings it.
NEEDS = {
    "adapters.md": ("pronto", "hierloss[pronto]"),
    "export.md": ("onnxruntime", "hierloss[onnx]"),
    "lightning.md": ("lightning", "hierloss[lightning]"),
    "metrics.md": ("sklearn", "hierloss[sklearn]"),
    "models.md": ("sklearn", "hierloss[sklearn]"),
    "recipes.md": ("pronto", "hierloss[pronto]"),
    "sklearn.md": ("sklearn", "hierloss[sklearn]"),
    "tables.md": ("pandas", "hierloss[pandas]"),
    "torch-sparse.md": ("torch_sparse", "hierloss[torch-sparse]"),
    "torchmetrics.md": ("torchmetrics", "hierloss[torchmetrics]"),
    "training.md": ("sklearn", "hierloss[train]"),
    "transformers.md": ("transformers", "hierloss[transformers]"),
}
ONTOLOGY = """format-version: 1.2

[Term]
id: GO:0008150
name: biological_process
namespace: biological_process

[Term]
id: GO:0009987
name: cellular process
namespace: biological_process
is_a: GO:0008150 ! biological_process

[Term]
id: GO:0016043
name: cellular component organization
namespace: biological_process
relationship: part_of GO:0009987 ! cellular process
"""


def require(module: str, extra: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tool's own
            import_module(module)
    except ModuleNotFoundError:
        pytest.skip(f'{module} is not installed; pip install "{extra}"')


# Lightning's own: a question to PyTorch that 2.13 deprecates, and a hint that loaders want workers.
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated")
@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run_and_print_what_is_written(page: Path, tmp_path, monkeypatch, capsys) -> None:
    if page.name in NEEDS:
        require(*NEEDS[page.name])
    monkeypatch.chdir(tmp_path)
    Path("go-basic.obo").write_text(ONTOLOGY)
    names: dict[str, object] = {}
    for i, (code, expected) in enumerate(BLOCK.findall(page.read_text())):
        exec(compile(code, f"{page.name}, example {i + 1}", "exec"), names)
        printed = capsys.readouterr().out
        if expected:
            assert printed == expected


def test_there_are_examples() -> None:
    counts = {page.name: len(BLOCK.findall(page.read_text())) for page in PAGES}
    assert counts["README.md"] >= 1
    assert counts["quickstart.md"] >= 4
