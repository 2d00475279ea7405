"""
The documentation as a site: `make docs` builds it into site/.

https://www.sphinx-doc.org/en/master/usage/configuration.html
"""

# ruff: noqa: INP001 -- Sphinx reads this file; it is not part of a package

project = "relay"
author = "The relay authors"
copyright = f"{author}, MIT License"  # noqa: A001 -- the name that Sphinx reads

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["examples/*.html", "examples/*.py"]
html_theme = "furo"
html_title = "relay"

# Headings are link targets, named as on GitHub, so that links work in both places.
myst_heading_anchors = 3
# `console` blocks contain prompts and output: copy the commands only.
copybutton_prompt_text = "$ "
# JSON and JavaScript examples contain `…` for what is left out, which no lexer accepts.
suppress_warnings = ["misc.highlighting_failure"]
