"""How Sphinx builds the site. `make docs` stages the pages first (`tools/site`) and then runs Sphinx on the copy."""

from natural_mujoco.version import __version__

project = "Natural MuJoCo"
author = "The Natural MuJoCo developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
myst_enable_extensions = ["colon_fence", "attrs_block"]
myst_heading_anchors = 3
exclude_patterns = ["snippets"]

smartquotes = False  # messages are searched for as they are printed

# Docstrings are written for people who read code: single backticks mean code.
default_role = "code"
# Bases of clients' classes: importing torch for their names would take longer than the rest of the build.
autodoc_mock_imports = ["stable_baselines3"]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "Natural MuJoCo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
# Summaries would be fetched from the pages, which a browser refuses for pages opened from the disk.
html_show_search_summary = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f6f50", "color-brand-content": "#1f6f50"},
    "dark_css_variables": {"color-brand-primary": "#7fd3ac", "color-brand-content": "#7fd3ac"},
    "top_of_page_buttons": [],  # some pages are generated: there is nothing to edit
}
copybutton_exclude = ".linenos, .gp, .go"
