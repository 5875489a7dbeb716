"""How the documentation is built."""

import sys
from pathlib import Path

import hierloss
from hierloss.paper.reproduce import reproduce

sys.path.insert(0, str(Path(__file__).parent))

project = "hierloss"
author = "The hierloss developers"
copyright = "2026, the hierloss developers"
version = release = hierloss.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mathml",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
default_role = "code"
exclude_patterns = ["_build", "_results"]

napoleon_custom_sections = ["Shape"]
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "Ints": "NDArray[int64]"}
autodoc_default_options = {"members": True, "inherited-members": "Module,ValueError,LookupError"}
add_module_names = False
copybutton_exclude = ".linenos, .gp, .go"

# The tables and figures of the page on the paper, from the results that there are.
here = Path(__file__).parent
for _ in reproduce(
    "all", here / "results", here / "_results", formats=("md", "svg"), show=lambda text: None
):
    pass

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"hierloss {release}"
html_static_path = ["_static"]
html_css_files = ["formula.css"]
