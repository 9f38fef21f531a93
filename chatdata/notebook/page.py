"""One HTML page that needs nothing from outside itself, in light, in dark and on paper."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Section:
    """A part of a page: its anchor, its title in the contents, and its HTML."""

    anchor: str
    title: str
    body: str


def page(title: str, sections: Sequence[Section]) -> str:
    """Put sections under a title and a list of contents."""
    links = "".join(
        f'<a href="#{escape(each.anchor)}">{escape(each.title)}</a>' for each in sections
    )
    bodies = "\n".join(
        f'<section id="{escape(each.anchor)}">{each.body}</section>' for each in sections
    )
    return _PAGE.format(title=escape(title), style=_STYLE, links=links, bodies=bodies)


_STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1f2328; --ground: #ffffff; --soft: #59636e; --line: #d8dee4; --link: #0969da;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --ground: #16181c; --soft: #a0a7b0; --line: #3a3f46; --link: #6cb6ff; }
}
body {
  margin: 0 auto; padding: 24px; max-width: 880px; color: var(--ink); background: var(--ground);
  font: 15px/1.55 "Liberation Sans", Arial, Helvetica, sans-serif;
}
nav { display: flex; flex-direction: column; gap: 4px; padding-bottom: 16px; }
nav strong { font-size: 17px; }
a { color: var(--link); text-decoration: none; }
h1 { font-size: 25px; margin: 36px 0 8px; line-height: 1.25; }
h2 { font-size: 19px; margin: 32px 0 6px; }
section { border-top: 1px solid var(--line); }
section + section { margin-top: 48px; }
summary { cursor: pointer; margin: 8px 0; list-style: none; }
summary small { color: var(--link); margin-left: 6px; }
pre { color: var(--soft); white-space: pre-wrap; font-size: 13px; }
svg { max-width: 100%; height: auto; border-radius: 6px; }
.output_subarea { overflow-x: auto; margin: 10px 0; }
.gt_table { margin-left: 0 !important; }
@media print {
  body { max-width: none; padding: 0; }
  nav { display: none; }
  svg, table { break-inside: avoid; }
}
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<nav><strong>{title}</strong>{links}</nav>
{bodies}
</body>
</html>
"""
