"""The examples of the README and the documentation run, and print what they say."""

from __future__ import annotations

import re
import shlex
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from hierloss.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"```(python|sh)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")
# Pages that need tools which are not always there: the extras, and the modules they bring.
NEEDS = {
    "adapters.md": {"pronto": ["pronto"], "plot": ["matplotlib"]},
    "annotations.md": {"train": ["safetensors", "sklearn"]},
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
# Pages whose examples read the Gene Ontology: here three terms of it.
FOR_GO = {"README.md", "hierarchy.md", "quickstart.md"}
# Pages whose commands are carried out as well.
COMMANDS = {"annotations.md"}
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
    if page.name in FOR_GO:
        Path("go-basic.obo").write_text(ONTOLOGY)
    names: dict[str, object] = {}
    for i, (language, code, expected) in enumerate(BLOCK.findall(page.read_text())):
        if language == "sh":
            if page.name in COMMANDS:
                main(shlex.split(code)[1:], standalone_mode=False)
                capsys.readouterr()
            continue
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


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub makes links of them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", x.lower()).replace(" ", "-") for x in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_have_a_text_and_lead_somewhere_on_github_too(page: Path) -> None:
    for text, link in LINK.findall(FENCED.sub("", page.read_text())):
        assert text, link  # GitHub shows nothing
        path, _, anchor = link.partition("#")
        if link.startswith("http") or path.startswith("_results/"):  # made by conf.py
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_lists_all_pages_by_their_titles() -> None:
    docs = ROOT / "docs"
    titles = {page.name: page.read_text().partition("\n")[0][2:] for page in docs.glob("*.md")}
    listed = {link: text for text, link in LINK.findall((docs / "index.md").read_text())}
    del titles["index.md"]
    assert listed == titles | {"changelog.md": "Changelog"}  # which is that of the root


def test_there_are_examples() -> None:
    counts = {page.name: page.read_text().count("```python\n") for page in PAGES}
    assert counts["README.md"] >= 1
    assert counts["quickstart.md"] >= 4
