"""The examples of the README and the documentation run, and print what they say."""

from __future__ import annotations

import re
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
# Pages that need tools which are not always there: the extras, and the modules they bring.
NEEDS = {
    "adapters.md": {"pronto": ["pronto"], "plot": ["matplotlib"]},
    "export.md": {"onnx": ["onnx", "onnxscript", "onnxruntime"], "train": ["sklearn"]},
    "lightning.md": {"lightning": ["lightning"]},
    "metrics.md": {"sklearn": ["sklearn"]},
    "models.md": {"sklearn": ["sklearn"]},
    "recipes.md": {"pronto": ["pronto"]},
    "sklearn.md": {"sklearn": ["sklearn"]},
    "tables.md": {"pandas": ["pandas"]},
    "torch-sparse.md": {"torch-sparse": ["torch_sparse"]},
    "torchmetrics.md": {"torchmetrics": ["torchmetrics"]},
    "training.md": {"train": ["sklearn"]},
    "transformers.md": {"transformers": ["transformers", "accelerate", "sklearn"]},
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
        pytest.skip(f'{module} is not installed; pip install "hierloss[{extra}]"')


# Lightning's own: a question to PyTorch that 2.13 deprecates, and a hint that loaders want workers.
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated")
@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run_and_print_what_is_written(page: Path, tmp_path, monkeypatch, capsys) -> None:
    for extra, modules in NEEDS.get(page.name, {}).items():
        for module in modules:
            require(module, extra)
    monkeypatch.chdir(tmp_path)
    Path("go-basic.obo").write_text(ONTOLOGY)
    names: dict[str, object] = {}
    for i, (code, expected) in enumerate(BLOCK.findall(page.read_text())):
        exec(compile(code, f"{page.name}, example {i + 1}", "exec"), names)
        printed = capsys.readouterr().out
        if expected:
            assert printed == expected


@pytest.mark.parametrize(
    ("page", "module"), [("adapters.md", "matplotlib"), ("export.md", "onnxscript")]
)
def test_a_page_is_skipped_without_a_tool_it_needs(
    page: str, module: str, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(pytest.skip.Exception, match="is not installed"):
        test_examples_run_and_print_what_is_written(
            ROOT / "docs" / page, tmp_path, monkeypatch, capsys
        )


def test_there_are_examples() -> None:
    counts = {page.name: len(BLOCK.findall(page.read_text())) for page in PAGES}
    assert counts["README.md"] >= 1
    assert counts["quickstart.md"] >= 4
