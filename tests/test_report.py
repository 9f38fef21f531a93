"""A report to hand on: its figures, its page, what it says of logs at the edges."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from chat_logs import EDGES, many_times
from chat_rows import called, chats, conversation, said
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata import schema
from chatdata.cli.summary import summary
from chatdata.errors import ChatdataError
from chatdata.report import report
from chatdata.report.sections import first_page

each_log = pytest.mark.parametrize("log", EDGES)
FAILED = {"status": "error", "error_source": "explicit"}

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
TAU_BENCH = "sierra-research__tau-bench/historical_trajectories/gpt-4o-airline.json"
REAL = [
    f"formats/tau-bench/{TAU_BENCH}",
    *(f"formats/{name}" for name in ("claude-code", "codex", "gemini-cli", "otel-genai")),
    *(f"app-databases/{path.name}" for path in sorted(SAMPLES.glob("app-databases/*.sqlite"))),
]
each_real_log = pytest.mark.parametrize(
    "path", [path for path in REAL if (SAMPLES / path).exists()]
)


@cache
def edge(name):
    """
    One log of the edges, made once.
    """
    return EDGES[name]()


@cache
def page_of(name, folder):
    """
    The text of the page on one log of the edges.
    """
    path = folder / f"{name}.html"
    return report(edge(name), path, compare="periods", n_examples=2).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """
    Where the pages of this module go.
    """
    return tmp_path_factory.mktemp("pages")


def derive_again(log):
    """
    Run the query of every figure of the first page; hold its answer and what is shown to it.
    """
    figures = [figure for part in first_page(log) for figure in part]
    for figure in figures:
        answer = log.sql(figure.sql)
        told = figure.show(figure.answer)

        assert_frame_equal(figure.answer, answer, check_dtypes=False, rel_tol=1e-9)
        assert told == figure.show(answer)
        assert [] == re.findall(r"\b(None|NaN|nan|inf|null)\b", str(told))
    return figures


@each_log
def test_every_figure_is_derived_again_by_its_query(log):
    """
    The query beside a figure gives its values, and all that is said comes from them.
    """
    assert 10 <= len(derive_again(edge(log)))


@each_real_log
def test_figures_of_real_logs_are_derived_again(path):
    """
    So it is on logs of other programs, and the totals are those of `chatdata scan --json`.
    """
    log = cd.scan(SAMPLES / path).collect()
    found = {}
    for figure in derive_again(log):
        if isinstance(figure.show(figure.answer), str) and figure.answer.height == 1:
            found |= {**figure.answer.row(0, named=True)}
    counts = json.loads(json.dumps(summary(log)))

    assert counts["conversations"] == found["conversations"]
    assert counts["users"] == found["users"]
    assert counts["rows"]["counted"] == found["messages"]
    assert counts["messages"] == found["n_rows"] == found["certified"]
    assert counts["tool_calls"] == found["n_calls"]
    assert counts["rejects"] == found["n_rejects"]
    assert [counts["first_message_at"], counts["last_message_at"]] == [
        None if found[name] is None else f"{found[name].isoformat()}Z" for name in ("first", "last")
    ]


@each_log
def test_report_works_on_any_log(log, folder):
    """
    Whatever the log, the page is whole, small, quiet about what is not known, and asks nobody.
    """
    text = page_of(log, folder)
    shown = re.sub(r"<(style|pre)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)

    shown = shown.partition('<section id="words">')[0]

    assert [] == re.findall(r">[^<]*\b(None|NaN|nan|inf|null|undefined)\b[^<]*<", shown)
    assert [] == re.findall(r"(?:src|href)=\"(?!#)[^\"]*|@import|url\((?!#)|<script", text)
    assert 2_000_000 > len(text.encode())
    assert [] == re.findall(r"<h2>[^<]*</h2>\s*</section>", text)


@pytest.mark.slow
def test_a_million_messages_are_one_small_page(tmp_path):
    """
    A page grows with what is on it, not with the log: a million messages fit into a mail.
    """
    log = many_times(cd.sample(1_000), 100)
    counts = dict(cd.analysis.overview(log).iter_rows())
    path = report(log, tmp_path / "p.html", compare="periods", n_examples=5)

    assert 1_000_000 < counts["messages"]
    assert f"with {counts['messages']:,} messages" in path.read_text(encoding="utf-8")
    assert 2_000_000 > path.stat().st_size


@each_log
def test_every_figure_shows_its_query(log, folder):
    """
    The page holds each query once, folded away.
    """
    queries = re.findall(r"<details[^>]*><summary>[^\n]*</summary><pre>", page_of(log, folder))

    assert sum(map(len, first_page(edge(log)))) == len(queries)
    assert "<details open" not in page_of(log, folder)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param("empty", "There is no conversation to report on.", id="empty"),
        pytest.param("empty", "There is no finished conversation to measure.", id="no lengths"),
        pytest.param("no calls", "No tool was called.", id="no calls"),
        pytest.param("no times", "No message has a time", id="no times"),
        pytest.param("no times", "sessions cannot be told", id="no sessions"),
        pytest.param("no calls", "No message records its tokens", id="no tokens"),
        pytest.param("no calls", "1 of 2 message rows", id="half of the times"),
        pytest.param("only failures", "only failures are recorded, 30 in 30 calls", id="failures"),
        pytest.param("no outcomes", "the outcome of none of 2 calls is recorded", id="no outcomes"),
        pytest.param(
            "few outcomes", "the outcome of 3 of 3 calls is known, a rate needs 20", id="too few"
        ),
        pytest.param("no outcomes", "how long they take cannot be said", id="no latency"),
        pytest.param("no outcomes", "whether any failed cannot be said", id="no outcome"),
        pytest.param("two sources", "3 of 34 calls with a known outcome failed", id="rated apart"),
        pytest.param("many tools", "and 9,975 more rows", id="tables are cut, and say so"),
        pytest.param("sample", "95 % interval", id="intervals"),
    ],
)
def test_report_says_what_cannot_be_said(log, expected, folder):
    """
    Where the log does not record something, a sentence stands in place of an empty section.
    """
    assert expected in page_of(log, folder)


@pytest.mark.parametrize(
    ("log", "compare", "expected"),
    [
        pytest.param("sample", "periods", "Compared are conversations of before and after", id="p"),
        pytest.param("sample", datetime(2025, 10, 12), "2025-10-12 00:00 to 2025-", id="a moment"),  # noqa: DTZ001 - UTC, as in the frames
        pytest.param("sample", "model", "conversations of todo-small-1 and todo-large-1", id="m"),
        pytest.param("sample", "source", "No two values of source are in use", id="one source"),
        pytest.param("empty", "periods", "No two periods of at least a day", id="empty"),
        pytest.param("no times", "periods", "No two periods of at least a day", id="no times"),
        pytest.param("no times", "model", "over all conversations", id="no times, two models"),
        pytest.param("one user", "agent", "No two values of agent", id="no agents"),
    ],
)
def test_compare(log, compare, expected, tmp_path):
    """
    Two sides are set beside each other with the interval of each difference, or it says why not.
    """
    text = report(edge(log), tmp_path / "p.html", compare=compare).read_text(encoding="utf-8")
    section = text.partition('<section id="what-differs">')[2].partition("</section>")[0]

    assert expected in section
    assert ("The same measures of both" in section) == ("Compared" in section)
    assert "what-differs" not in report(edge(log), tmp_path / "p.html").read_text(encoding="utf-8")


def test_a_difference_beyond_chance_is_named(tmp_path):
    """
    What differs is said in a sentence; what may be chance is not.
    """
    rows, turns, calls = [], [], []
    for number in range(80):
        name, model = f"c{number}", ("old", "new")[number % 2]
        rows.append(conversation(name, user_id=f"u{number // 2}", model=model))
        said_now = said({"role": "user", "at": number}, {"role": "assistant", "at": number + 1})
        turns += [
            {**turn, "conversation_id": name, "message_id": f"{name}.{turn['position']}"}
            for turn in said_now
        ]
        fails = FAILED if model == "new" and number % 4 == 1 else {}
        calls += called(*[fails] * 2, conversation_id=name, message_id=f"{name}.1")
    log = chats(conversations=rows, messages=turns, tool_calls=calls)
    text = report(log, tmp_path / "p.html", compare="model").read_text(encoding="utf-8")

    assert "more than chance would explain: error rate (lower in old)." in text


def test_examples_quote_for_whoever_asks(tmp_path):
    """
    Errors and beginnings are quoted on demand, cut, escaped, and the page says that it quotes.
    """
    turns = said({"role": "user", "content": "<b>hello</b>" + "x" * 400, "at": 0}, "assistant")
    failed = {**FAILED, "arguments_raw": '{"a": "<i>"}', "result": "no such file /tmp/secret"}
    log = chats(
        conversations=[conversation(title="A <title>")],
        messages=turns,
        tool_calls=called(failed, message_id="c.1"),
    )
    text = report(log, tmp_path / "p.html", n_examples=3).read_text(encoding="utf-8")
    without = report(log, tmp_path / "p.html").read_text(encoding="utf-8")

    assert "It quotes what people and models wrote" in text
    assert "&lt;b&gt;hello&lt;/b&gt;xxx" in text
    assert "x" * 289 not in text
    assert all(each in text for each in ("A &lt;title&gt;", "&lt;i&gt;", "no such file"))
    assert [] == [each for each in ("hello", "A &lt;", "&lt;i&gt;", "no such") if each in without]


def test_costs_name_what_has_no_price(tmp_path):
    """
    A model with a list price has a cost with the price's day; the others are named, and cost no 0.
    """
    spent = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    turns = [
        {"role": "assistant", "at": n, "model": model, **spent}
        for n, model in enumerate(["claude-3-haiku-20240307", "mine"])
    ]
    text = report(chats(messages=said(*turns)), tmp_path / "p.html").read_text(encoding="utf-8")

    assert "Without a cost: mine in 1 model calls (no price for this model)." in text
    assert "US dollars, 1.50 in all" in text


def test_an_audit_of_more_than_was_asked_for_says_so():
    """
    Where a part was asked for, the counts of the whole source are not taken for the part's.
    """
    log = cd.sample(60)
    part = cd.sample(60).with_frames(messages=log.messages.head(100)).collect()
    told = [figure.show(figure.answer) for figure in derive_again(part)]
    whole = [figure.show(figure.answer) for figure in derive_again(log)]
    words = "in the whole source, of which this is a part"

    assert [True] == [words in each for each in told if isinstance(each, str) and words in each]
    assert [] == [each for each in whole if isinstance(each, str) and words in each]


def test_the_page_says_what_was_asked_for(tmp_path):
    """
    A title and a sentence of one's own stand on top, whatever is in them.
    """
    page = report(chats(), tmp_path / "new" / "p.html", title="Ours & <theirs>", about="Only <1>.")
    text = page.read_text(encoding="utf-8")

    assert "<title>Ours &amp; &lt;theirs&gt;</title>" in text
    assert "<p>Only &lt;1&gt;. Nothing that anybody wrote is on this page.</p>" in text


def few_users():
    """
    Forty users of one tool and model, two of them alone with another tool, model and agent.
    """
    rows, turns, calls = [], [], []
    for n in range(40):
        name, rarely = f"c{n}", n < 2
        model, agent = ("rare-model", "rare-agent") if rarely else ("usual-model", None)
        rows.append(conversation(name, user_id=f"u{n}", model=model, agent=agent))
        answer = {"role": "assistant", "at": 1, "model": model, "output_tokens": 5}
        turns += said({"role": "user", "at": 0}, answer, conversation_id=name)
        tools = [{"name": "usual_tool"}]
        rare = [{"name": "mcp__rare__tool", "server": "rare", **FAILED}, {"name": None}]
        tools += rare if rarely else []
        calls += called(*tools, conversation_id=name, message_id=f"{name}.1")
    return chats(conversations=rows, messages=turns, tool_calls=calls)


def test_small_groups_do_not_stand_alone(tmp_path):
    """
    With a smallest cell, no tool, server, model or agent of fewer users is named or counted alone,
    and sentences say so; without one, all are.
    """
    names = ("mcp__rare__tool", ">rare<", "rare-model", "rare-agent", "no name")
    shown = ("mcp__rare__tool", ">rare<", "rare-model", "no name")
    page, whole = (
        report(few_users(), tmp_path / f"{k}.html", min_cell=k, compare="model").read_text(
            encoding="utf-8"
        )
        for k in (10, 0)
    )

    assert [] == [name for name in names if name in page]
    assert [] == [name for name in shown if name not in whole]
    assert "Groups of fewer than 10 known users" in page
    assert "Left out, since nobody counts the users behind their rows" in page
    assert "usual_tool" not in page.partition('<section id="words">')[0]
    assert "known users" not in whole.partition("<nav")[0]


def test_large_groups_are_shown(tmp_path):
    """
    Where no group is small, none is put together with another.
    """
    text = report(cd.sample(200), tmp_path / "p.html", min_cell=3).read_text(encoding="utf-8")

    assert "No tool, model or agent has fewer than 3 known users." in text
    assert "set_priority" in text


def test_examples_and_small_cells_exclude_each_other(tmp_path):
    """
    Quotes would name what small cells hide, so one of them is refused before anything is written.
    """
    with pytest.raises(ChatdataError, match="not both"):
        report(chats(), tmp_path / "p.html", n_examples=1, min_cell=5)

    assert [] == list(tmp_path.iterdir())


def test_report_holds_nothing_that_anybody_wrote(tmp_path):
    """
    No title, text, argument, result, path, project, id or name of a user gets into the page.
    """
    canary = "CANARY"
    row = conversation(
        f"{canary}-id",
        user_id=f"{canary}-user",
        origin=f"/{canary}/origin",
        title=f"{canary} title",
        project=f"/{canary}/project",
        extra=f'{{"k":"{canary}"}}',
    )
    texts = {name: f"{canary} {name}" for name in ("content", "reasoning", "extra", "role_raw")}
    messages = said(
        *[{"role": "user", "at": n, **texts} for n in range(3)], conversation_id=f"{canary}-id"
    )
    calls = called(
        *[{**FAILED, "result": f"{canary} result", "arguments": f'{{"a":"{canary}"}}'}] * 25,
        *[{"arguments_raw": canary, "arguments_status": "invalid"}] * 25,
        conversation_id=f"{canary}-id",
    )
    reject = {"source": "test", "origin": f"/{canary}", "path": f"/{canary}", "reason": "no JSON"}
    log = chats(conversations=[row], messages=messages, tool_calls=calls)
    log = log.with_frames(rejects=pl.DataFrame([reject], schema=schema.REJECTS.schema).lazy())
    text = report(log, tmp_path / "report.html").read_text(encoding="utf-8")

    assert "no JSON" in text
    assert canary.lower() not in text.lower()
