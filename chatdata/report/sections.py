"""The sections of a report, the first page first."""

from __future__ import annotations

from html import escape
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from chatdata.analysis.definitions import TOPICS
from chatdata.notebook.page import Section, folded, shown
from chatdata.notebook.table import table
from chatdata.report.compared import Compare, compared
from chatdata.report.examples import examples
from chatdata.report.figure import Figure
from chatdata.report.findings import talk_findings
from chatdata.report.findings_calls import call_findings
from chatdata.report.spent import agents, tokens
from chatdata.report.talk import activity, length, users, waiting
from chatdata.report.tools import tool_calls
from chatdata.report.trust import trust_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.analysis.metric import Topic
    from chatdata.chats import Chats
    from chatdata.notebook.chart import Chart
    from chatdata.notebook.table import Table

_HOW_TO_CHECK = (
    "Behind “SQL” stands the query that gives a figure again: chatdata sql SOURCE 'the query'."
)


def sections(
    chats: Chats[pl.LazyFrame],
    *,
    time_zone: str,
    compare: Compare | None,
    n_examples: int,
    min_cell: int,
) -> Iterator[Section]:
    """Make the sections of a report; with `min_cell`, without rows whose users nobody counts."""
    found, trust = first_page(chats)
    yield _section("What was found", chain(found, [_HOW_TO_CHECK]))
    yield _section("How far it can be trusted", trust)
    if compare is not None:
        yield _section("What differs", compared(chats, compare, min_cell))
    yield _section("When people write", activity(chats, time_zone, min_cell))
    yield _section("Tool calls", tool_calls(chats, time_zone, min_cell))
    yield _section("Conversation length", length(chats))
    yield _section("Waiting and talking", waiting(chats))
    yield _section("Users", users(chats, time_zone, min_cell))
    yield _section("Sub-agents", agents(chats))
    yield _section("Tokens and cost", tokens(chats))
    if n_examples:
        yield _section("In their own words", examples(chats, n_examples))
    title = "What the words mean"
    yield Section("words", title, f"<h2>{title}</h2>\n{''.join(map(_defined, TOPICS))}")


def first_page(chats: Chats[pl.LazyFrame]) -> tuple[list[Figure], list[Figure]]:
    """Find what the first page says: findings in sentences, then how far they can be trusted."""
    return [*talk_findings(chats), *call_findings(chats)], list(trust_figures(chats))


def _defined(topic: Topic) -> str:
    """Say behind the title of a topic what its metrics are."""
    metrics = pl.DataFrame(
        [(each.id, each.unit, each.definition, each.null) for each in topic.metrics],
        schema=["metric", "unit", "definition", "unknown"],
        orient="row",
    ).with_columns(pl.all().str.replace_all("`", "", literal=True))
    defined = table(metrics, f"Metrics: {topic.title}", most=len(metrics))
    return folded(topic.title, f"<p>{escape(topic.preface.replace('`', ''))}</p>{shown(defined)}")


def _section(title: str, parts: Iterable[Figure | Chart | Table | str]) -> Section:
    body = "\n".join(_html(part) for part in parts)
    return Section(title.lower().replace(" ", "-"), title, f"<h2>{escape(title)}</h2>\n{body}")


def _html(part: Figure | Chart | Table | str) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    return part.html() if isinstance(part, Figure) else shown(part)
