"""How the documentation is built."""

import sys
from pathlib import Path

import hierloss

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
exclude_patterns = ["_build"]

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

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"hierloss {release}"
html_static_path = ["_static"]
html_css_files = ["formula.css"]
