"""How Sphinx makes a site of these pages: `make docs`."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from agent import __version__

project = "terrahash-agent"
version = release = __version__
html_title = f"terrahash-agent {version}"
html_theme = "furo"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3


def setup(app: Sphinx) -> None:
    """Have inventories shown as they are: no highlighter knows CSV."""
    app.add_lexer("csv", TextLexer)
