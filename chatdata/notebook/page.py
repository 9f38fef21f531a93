"""One HTML page that needs nothing from outside itself, in light, in dark and on paper."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdata.notebook.chart import Chart
    from chatdata.notebook.table import Table


@dataclass(frozen=True)
class Section:
    """A part of a page: its anchor, its title in the contents, and its HTML."""

    anchor: str
    title: str
    body: str


def page(title: str, sections: Sequence[Section], *, lead: str = "") -> str:
    """Put sections under a title, a sentence on what they are about, and a list of contents."""
    links = "\n".join(
        f'<li><a href="#{escape(each.anchor)}">{escape(each.title)}</a></li>' for each in sections
    )
    bodies = "\n".join(
        f'<section id="{escape(each.anchor)}">{each.body}</section>' for each in sections
    )
    about = f"<p>{escape(lead)}</p>" if lead else ""
    return _PAGE.format(title=escape(title), style=_STYLE, lead=about, links=links, bodies=bodies)


def shown(part: Chart | Table) -> str:
    """Put a chart or table on a page, with the words that say what it shows."""
    bundle = part._repr_mimebundle_()
    picture = bundle.get("image/svg+xml") or bundle["text/html"]
    words = f'role="group" aria-label="{escape(str(part))}"'
    return f'<div class="output_subarea" {words}>{picture}</div>'


def folded(title: str, html: str) -> str:
    """Put a part of a page behind its title, until somebody asks for it."""
    return f"<details><summary>{escape(title)}</summary>{html}</details>"


_STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1f2328; --ground: #ffffff; --soft: #59636e; --line: #d8dee4; --link: #0969da;
  --code: #f6f8fa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e6e6; --ground: #16181c; --soft: #a0a7b0; --line: #3a3f46; --link: #6cb6ff;
    --code: #22262c;
  }
  /* Pictures and tables keep their white ground, as on paper. */
  .output_subarea > svg { border-radius: 6px; }
}
body {
  margin: 0 auto; padding: 24px; max-width: 880px; color: var(--ink); background: var(--ground);
  font: 15px/1.55 "Liberation Sans", Arial, Helvetica, sans-serif;
}
header h1 { font-size: 28px; margin: 8px 0 4px; line-height: 1.2; }
header p { color: var(--soft); margin: 4px 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 2px 20px; padding: 0; margin: 12px 0 24px; }
nav li { list-style: none; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
h1, h2 { font-size: 23px; margin: 28px 0 10px; line-height: 1.25; }
section h2:not(:first-child) { font-size: 18px; margin: 32px 0 6px; }
section { border-top: 1px solid var(--line); }
section + section { margin-top: 40px; }
summary { cursor: pointer; margin: 6px 0; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary small { color: var(--link); margin-left: 4px; }
details:not(.finding) > summary { color: var(--link); }
pre {
  color: var(--ink); background: var(--code); padding: 10px 12px; border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12.5px; line-height: 1.4;
}
svg { max-width: 100%; height: auto; }
.output_subarea { overflow-x: auto; margin: 10px 0; }
.output_subarea:has(.gt_table) { margin: 22px 0 10px; }
.output_subarea > div:has(.gt_table) { padding: 0 !important; }
.gt_table { margin-left: 0 !important; }
@page { margin: 15mm; }
@media print {
  :root {
    color-scheme: light;
    --ink: #1f2328; --ground: #ffffff; --soft: #59636e; --line: #d8dee4; --code: #f6f8fa;
  }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  nav, summary small, #words { display: none; }
  details:not(.finding) { display: none; }
  h1, h2, .gt_heading, section > p { break-after: avoid; }
  section > p:last-child { break-after: auto; }
  section + section { margin-top: 24px; }
  svg, .gt_table, tr, .finding { break-inside: avoid; }
  svg { max-height: 24cm; }
  /* So wide that two or three fit on a page, and their words are as large as those of tables. */
  .output_subarea > svg { max-width: 13.5cm; }
  .output_subarea { overflow-x: visible; }
  .output_subarea > div { overflow: visible !important; }
  .output_subarea .gt_table { font-size: 8pt !important; }
  .output_subarea .gt_table td, .output_subarea .gt_table th { padding: 2px 4px !important; }
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
<header><h1>{title}</h1>{lead}</header>
<nav aria-label="Contents"><ul>
{links}
</ul></nav>
{bodies}
</body>
</html>
"""
